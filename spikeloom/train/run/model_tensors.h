#pragma once
// The tensors of a model file or checkpoint, for whoever runs its network. Internal to train and runtime.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/formats/safetensors.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/model/program.h"
#include "spikeloom/train/run/saved_tensor.h"

namespace spikeloom::train {

constexpr const char* kOptimizerPrefix = "optimizer.";  ///< of what only training needs
constexpr const char* kClassOf = "voting.class_of";

struct ModelTensors {
  std::vector<std::vector<float>> slots;  ///< of each slot of the program, row-major
  std::vector<std::int32_t> class_of;     ///< of each voting neuron, each in [0, num_classes)
};

/// Throws CheckpointError naming the file and the first tensor that is missing, of another shape or type, not
/// known, not what its checksum says or not finite (with the place of the value). A file without checksums is
/// read, with a warning to log(). Throws NumericsError, naming file and layer, where the network's arithmetic
/// may overflow (model/current_range.h).
ModelTensors read_model_tensors(const std::string& path, const model::Program& program);

/// One tensor. The bytes match their checksum, where the file has one, and numbers are finite. Older files
/// hold decays and thresholds as 64-bit numbers. Throws CheckpointError.
SavedTensor read_tensor(const formats::SafetensorsFile& file, const formats::TensorInfo& info,
                        const std::string& path);

/// Before a network is made: a damaged description must not ask for memory that the file's size does not
/// justify. Throws CheckpointError.
void check_holds_network(const std::string& path, const model::NetworkPlan& plan);

}  // namespace spikeloom::train
