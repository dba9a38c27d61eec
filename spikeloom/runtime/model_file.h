#pragma once
#include <memory>
#include <string>

#include "spikeloom/runtime/network.h"
#include "spikeloom/train/run/model_info.h"

namespace spikeloom::runtime {

/// A trained network and what its file says of it: classes, recipe, input.
struct Model {
  std::string path;
  train::ModelInfo info;
  std::shared_ptr<const Network> network;
};

/// How weights and currents are rounded.
enum class Rounding {
  kAsTrained,  ///< as the engine that trained rounds (Arithmetic)
  kNone        ///< floats throughout
};

/// By its first bytes; false where it cannot be read. Graphs of NIR are such files, models are not.
bool is_hdf5_file(const std::string& path);

/// Reads a model file, a checkpoint, or the kept model of a run folder. Throws CheckpointError naming the
/// file and the tensor that is missing, of another shape or type, damaged or not finite; FormatError,
/// DataError. Memory is bounded by the file's size.
Model load_model(const std::string& run_or_model, Rounding rounding = Rounding::kAsTrained);

}  // namespace spikeloom::runtime
