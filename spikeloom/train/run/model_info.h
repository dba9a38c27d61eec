#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

/// What a model file says about itself in its safetensors metadata:
/// "format" (spikeloom-model or spikeloom-checkpoint), "format_version", "spikeloom_version", "structure",
/// "input" ("3x32x32"), "class_names" (JSON list), "recipe" (the resolved recipe, TOML), with
/// data.standardize "standardization" (JSON), "iterations".
struct ModelInfo {
  std::string format;
  std::string spikeloom_version;
  Recipe recipe;
  model::Shape input;
  std::vector<std::string> class_names;
  /// What the pixels were standardised by; nullopt: they were not, or the file is of an older version.
  std::optional<data::Standardization> standardization;
  /// For how many iterations it was trained; -1: a file of an older version does not say.
  std::int64_t iterations = -1;

  /// The layers. Throws what plan_network throws; nothing after read_model_info.
  model::NetworkPlan plan() const;
};

/// Reads it from a model file or checkpoint, without its tensors and without LibTorch.
/// Throws FormatError (no safetensors file), CheckpointError (not written by Spikeloom, a newer format
/// version, or damaged metadata), DataError (cannot be read).
ModelInfo read_model_info(const std::string& path);

/// The metadata of `info` as it is written. `format` as above.
std::map<std::string, std::string> to_metadata(const ModelInfo& info, const std::string& format);

/// The model file that RUN_OR_MODEL means: the file itself, or model.safetensors of a run folder, or its
/// checkpoint.safetensors if training has not ended. Throws DataError if there is none.
std::string find_model(const std::string& run_or_model);

}  // namespace spikeloom::train
