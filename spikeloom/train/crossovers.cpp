#include "spikeloom/train/crossovers.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/train/environment.h"

namespace spikeloom::train {
namespace {

// What the times depend on.
nlohmann::ordered_json machine() {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : describe_environment()) {
    if (name == "processor" || name == "simd" || name == "threads" || name == "libtorch") json[name] = value;
  }
  return json;
}

}  // namespace

bool read_crossovers(const std::string& path, nn::Network& network) {
  if (!std::filesystem::exists(path)) return false;
  std::vector<nn::LayerCrossover> crossovers;
  try {
    const auto json = nlohmann::json::parse(read_text_file(path));
    if (json.at("machine") != nlohmann::json(machine())) return false;
    for (const auto& layer : json.at("layers")) {
      crossovers.push_back(
          {layer.at("layer").get<std::string>(), layer.at("event_forward_below").get<double>(),
           layer.at("event_gradient_below").get<double>(), layer.at("open_windows_below").get<double>()});
    }
  } catch (const nlohmann::json::exception&) {
    throw DataError(path + ": does not hold measured crossovers; delete it to measure them again");
  }
  try {
    network.set_crossovers(crossovers);
  } catch (const ConfigError& error) {
    throw DataError(path + ": " + error.what() + "; delete the file to measure again");
  }
  return true;
}

void measure_crossovers(const std::string& path, nn::Network& network, std::int64_t batch) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const auto& crossover : network.measure_crossovers(batch)) {
    layers.push_back({{"layer", crossover.layer},
                      {"event_forward_below", crossover.forward_below},
                      {"event_gradient_below", crossover.gradient_below},
                      {"open_windows_below", crossover.input_gradient_below}});
  }
  if (layers.empty()) return;
  const nlohmann::ordered_json json = {{"machine", machine()}, {"batch_size", batch}, {"layers", layers}};
  write_text_file(path, json.dump(2) + "\n");
}

}  // namespace spikeloom::train
