#include "spikeloom/train/run/model_info.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/base/version.h"
#include "spikeloom/formats/safetensors.h"

namespace spikeloom::train {
namespace {

constexpr int kFormatVersion = 1;

data::Standardization parse_standardization(const std::string& text, std::int64_t channels,
                                            const std::string& path) {
  data::Standardization result;
  try {
    const auto json = parse_json(text);
    result.mean = json.at("mean").get<std::vector<double>>();
    result.deviation = json.at("deviation").get<std::vector<double>>();
  } catch (const nlohmann::json::exception&) {
    throw CheckpointError(path +
                          ": its metadata is damaged: standardization is not {\"mean\": [...], "
                          "\"deviation\": [...]}");
  }
  const auto count = static_cast<std::size_t>(channels);
  bool sound = result.mean.size() == count && result.deviation.size() == count;
  for (const double one : result.mean) sound = sound && std::isfinite(one);
  for (const double one : result.deviation) sound = sound && std::isfinite(one) && one > 0.0;
  if (!sound) {
    throw CheckpointError(path +
                          ": its metadata is damaged: standardization does not have a mean and a positive "
                          "deviation for each of the " +
                          std::to_string(channels) + " channels");
  }
  return result;
}

std::int64_t parse_count(const std::string& text, const std::string& path) {
  constexpr std::size_t kMostDigits = 18;
  if (text.empty() || text.size() > kMostDigits ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    throw CheckpointError(path + ": its metadata is damaged: iterations is not a count");
  }
  return std::stoll(text);
}

}  // namespace

model::NetworkPlan ModelInfo::plan() const {
  return model::plan_network(recipe.network, input, static_cast<int>(class_names.size()));
}

ModelInfo read_model_info(const std::string& path) {
  const auto file = formats::SafetensorsFile::open(path);
  const auto& metadata = file.metadata();
  const auto get = [&](const char* key) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) {
      throw CheckpointError(path + ": is not a Spikeloom model: its metadata has no '" + key + "'");
    }
    return found->second;
  };
  ModelInfo info;
  info.format = get("format");
  if (info.format != "spikeloom-model" && info.format != "spikeloom-checkpoint") {
    throw CheckpointError(path + ": is not a Spikeloom model: its format is '" + info.format + "'");
  }
  const std::string version = get("format_version");
  if (version != std::to_string(kFormatVersion)) {
    throw CheckpointError(path + ": model format version " + version +
                          " is not known here (this is version " + std::to_string(kFormatVersion) +
                          "): use a newer Spikeloom");
  }
  info.spikeloom_version = get("spikeloom_version");
  try {
    info.recipe = parse_recipe(get("recipe"), path);
    info.input = model::parse_shape(get("input"));
    info.class_names = parse_json(get("class_names")).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) {
    throw CheckpointError(path + ": its metadata is damaged: class_names is not a JSON list of strings");
  } catch (const ConfigError& error) {
    throw CheckpointError(path + ": its metadata is damaged: " + error.what());
  }
  if (const auto found = metadata.find("standardization"); found != metadata.end()) {
    info.standardization = parse_standardization(found->second, info.input.channels, path);
  }
  if (const auto found = metadata.find("iterations"); found != metadata.end()) {
    info.iterations = parse_count(found->second, path);
  }
  if (info.class_names.empty()) throw CheckpointError(path + ": its metadata is damaged: no class names");
  try {
    info.plan();
  } catch (const Error& error) {  // ConfigError, ShapeError
    throw CheckpointError(path + ": its metadata is damaged: " + error.what());
  }
  return info;
}

std::map<std::string, std::string> to_metadata(const ModelInfo& info, const std::string& format) {
  std::map<std::string, std::string> metadata = {{"format", format},
                                                 {"format_version", std::to_string(kFormatVersion)},
                                                 {"spikeloom_version", kVersion},
                                                 {"structure", info.recipe.network.structure},
                                                 {"input", model::to_string(info.input)},
                                                 {"class_names", json_text(nlohmann::json(info.class_names))},
                                                 {"recipe", to_toml(info.recipe)}};
  if (info.standardization) {
    metadata["standardization"] = json_text(
        nlohmann::json{{"mean", info.standardization->mean}, {"deviation", info.standardization->deviation}});
  }
  if (info.iterations >= 0) metadata["iterations"] = std::to_string(info.iterations);
  return metadata;
}

std::string find_model(const std::string& run_or_model) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (run_or_model.empty()) throw DataError("the path of a run folder or model file is empty");
  if (fs::is_directory(run_or_model, ignored)) {
    for (const char* name : {"model.safetensors", "checkpoint.safetensors"}) {
      const fs::path candidate = fs::path(run_or_model) / name;
      if (fs::exists(candidate, ignored)) return candidate.string();
    }
    throw DataError(run_or_model +
                    ": holds neither model.safetensors nor checkpoint.safetensors: not a run, or a run "
                    "that was stopped before its first checkpoint");
  }
  if (!fs::exists(run_or_model, ignored))
    throw DataError(run_or_model + ": no such run folder or model file");
  return run_or_model;
}

}  // namespace spikeloom::train
