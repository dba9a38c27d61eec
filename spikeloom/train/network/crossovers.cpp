#include "spikeloom/train/network/crossovers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/base/log.h"
#include "spikeloom/data/content_hash.h"
#include "spikeloom/data/frame_cache.h"
#include "spikeloom/train/machine/environment.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// What the times depend on.
Json machine() {
  Json json = Json::object();
  for (const auto& [name, value] : describe_environment()) {
    if (name == "processor" || name == "simd" || name == "threads" || name == "libtorch") json[name] = value;
  }
  return json;
}

Json to_json(const std::vector<backends::Crossover>& crossovers) {
  Json layers = Json::array();
  for (const auto& crossover : crossovers) {
    layers.push_back({{"layer", crossover.stage},
                      {"event_forward_below", crossover.limits.forward_below},
                      {"event_gradient_below", crossover.limits.gradient_below},
                      {"open_windows_below", crossover.limits.input_gradient_below},
                      {"integer_currents", crossover.limits.integer_currents},
                      {"integer_weight_gradient", crossover.limits.integer_weight_gradient},
                      {"integer_input_gradient", crossover.limits.integer_input_gradient}});
  }
  return layers;
}

std::vector<backends::Crossover> from_json(const nlohmann::json& layers) {
  std::vector<backends::Crossover> crossovers;
  for (const auto& layer : layers) {
    crossovers.push_back(
        {layer.at("layer").get<std::string>(),
         {layer.at("event_forward_below").get<double>(), layer.at("event_gradient_below").get<double>(),
          layer.at("open_windows_below").get<double>(),
          // Runs of earlier versions have none.
          layer.value("integer_currents", false), layer.value("integer_weight_gradient", false),
          layer.value("integer_input_gradient", false)}});
  }
  return crossovers;
}

// Everything that a measurement depends on.
Json key_of(const Network& network, std::int64_t batch) {
  Json key = machine();
  for (const auto& [name, value] : describe_environment()) {
    if (name == "spikeloom" || name == "blas" || name == "bf16" || name == "compiler") key[name] = value;
  }
  const model::NetworkSettings& settings = network.settings();
  const model::ComputeSettings& compute = settings.compute;
  key["batch"] = batch;
  key["structure"] = settings.structure;
  key["input"] = model::to_string(network.plan().input);
  key["classes"] = network.plan().num_classes;
  key["neurons_per_class"] = settings.voting.neurons_per_class;
  key["num_steps"] = settings.num_steps;
  key["neuron"] = {static_cast<int>(settings.neuron.surrogate), static_cast<int>(settings.neuron.reset),
                   settings.neuron.detach_reset};
  key["neunorm"] = {settings.neunorm.enabled, settings.neunorm.after_pooling};
  key["integers"] = true;  // an earlier version did not measure their products
  key["compute"] = {static_cast<int>(compute.state), static_cast<int>(compute.precision),
                    static_cast<int>(compute.path),  compute.working_set_mb,
                    compute.event_forward_below,     compute.event_gradient_below,
                    compute.open_windows_below};
  return key;
}

std::string checksum(const nlohmann::json& layers) {
  return fmt::format("{:016x}", data::hash_text(json_text(layers)).low);
}

// What a file of the cache holds, if it is whole and of this key and the network has its layers.
std::optional<std::vector<backends::Crossover>> from_cache(const std::string& path, const Json& key,
                                                           Network& network) {
  try {
    std::error_code error;
    if (!fs::exists(path, error)) return std::nullopt;
    const auto json = parse_json(read_text_file(path));
    if (json.at("key") != nlohmann::json(key)) return std::nullopt;
    if (json.at("checksum").get<std::string>() != checksum(json.at("layers"))) return std::nullopt;
    auto crossovers = from_json(json.at("layers"));
    network.cpu()->set_crossovers(crossovers);
    return crossovers;
  } catch (const nlohmann::json::exception&) {
  } catch (const Error&) {
  }
  return std::nullopt;
}

void keep(const std::string& path, const Json& key, const std::vector<backends::Crossover>& crossovers) {
  const Json layers = to_json(crossovers);
  const Json json = {{"key", key}, {"layers", layers}, {"checksum", checksum(nlohmann::json(layers))}};
  // Two programs may measure at once: each writes a file of its own, and the last one's name stays.
  const std::string own = fmt::format("{}.{}", path, ::getpid());
  std::string reason;
  try {
    fs::create_directories(fs::path(path).parent_path());
    write_text_file(own, json_text(json, 2) + "\n");
    fs::rename(own, path);
    return;
  } catch (const fs::filesystem_error& error) {
    reason = error.what();
  } catch (const Error& error) {
    reason = error.what();
  }
  std::error_code error;
  fs::remove(own, error);
  log(LogLevel::kWarning,
      "the measured crossovers cannot be kept, so another training may take other paths: " + reason +
          " (SPIKELOOM_CACHE_DIR=FOLDER puts them elsewhere)");
}

}  // namespace

TakenCrossovers take_crossovers(Network& network, std::int64_t batch, bool again) {
  const std::string folder = data::frame_cache_folder();
  const Json key = key_of(network, batch);
  const std::string path =
      folder.empty()
          ? ""
          : (fs::path(folder) / fmt::format("crossovers-{:016x}.json", data::hash_text(json_text(key)).low))
                .string();
  if (!path.empty() && !again) {
    if (auto kept = from_cache(path, key, network)) return {*kept, false};
  }
  TakenCrossovers taken{network.cpu()->measure_crossovers(batch), true};
  if (taken.layers.empty()) return {};
  if (path.empty()) return taken;
  // Another program may have been faster: both then take the same.
  if (!again) {
    if (auto kept = from_cache(path, key, network)) return {*kept, false};
  }
  keep(path, key, taken.layers);
  return taken;
}

bool read_crossovers(const std::string& path, Network& network) {
  if (!fs::exists(path)) return false;
  std::vector<backends::Crossover> crossovers;
  try {
    const auto json = parse_json(read_text_file(path));
    if (json.at("machine") != nlohmann::json(machine())) return false;
    crossovers = from_json(json.at("layers"));
  } catch (const nlohmann::json::exception&) {
    throw DataError(path + ": does not hold measured crossovers; delete it to measure them again");
  }
  try {
    network.cpu()->set_crossovers(crossovers);
  } catch (const ConfigError& error) {
    throw DataError(path + ": " + error.what() + "; delete the file to measure again");
  }
  return true;
}

void apply_crossovers(const std::string& text, const std::string& path, Network& network) {
  try {
    network.cpu()->set_crossovers(from_json(parse_json(text).at("layers")));
  } catch (const nlohmann::json::exception&) {
    throw DataError(path + ": does not hold measured crossovers; delete it to measure them again");
  }
}

void measure_crossovers(const std::string& path, Network& network, std::int64_t batch) {
  const auto taken = take_crossovers(network, batch);
  if (taken.layers.empty()) return;
  const Json json = {{"machine", machine()}, {"batch_size", batch}, {"layers", to_json(taken.layers)}};
  write_text_file(path, json_text(json, 2) + "\n");
}

}  // namespace spikeloom::train
