#pragma once
// Internal to train: networks and training state in safetensors files.
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/train/network/network.h"
#include "spikeloom/train/run/model_info.h"
#include "spikeloom/train/run/saved_tensor.h"

namespace spikeloom::train {

/// Writes a network: metadata (see model_info.h) and one tensor a parameter, plus "voting.class_of", with
/// checksums (formats/safetensors_checksum.h). Atomic: an existing file is replaced only by a complete one.
/// Throws DataError.
void save_model(const std::string& path, const Network& network, const ModelInfo& info);

/// The same plus what training needs to be resumed: `state` (any JSON text) and further tensors, kept under
/// "optimizer.".
void save_checkpoint(const std::string& path, const Network& network, const ModelInfo& info,
                     const std::string& state, const std::vector<SavedTensor>& optimizer_state);

/// Copies the parameters of a model or checkpoint into `network`, all or nothing.
/// Throws CheckpointError naming the file and the first tensor that is missing, of another shape or type, not
/// known, not what its checksum says or not finite (with the place of the value). A file without checksums is
/// read, with a warning to log().
void load_parameters(const std::string& path, Network& network);

/// What a network took of another one's file, by name.
struct TakenParameters {
  std::vector<std::string> taken;
  std::vector<std::string> kept;  ///< of this network: the file has none of the name, or one of another shape
  std::vector<std::string> unused;  ///< of the file
};
/// Copies the parameters that have the same names and shapes in a model file or checkpoint; the others stay
/// as they are. Throws CheckpointError as load_parameters does for tensors that are damaged, and where none
/// fits.
TakenParameters take_parameters(const std::string& path, Network& network);

struct CheckpointState {
  std::string state;
  std::vector<SavedTensor> optimizer_state;
};
/// What save_checkpoint added to the parameters. Throws CheckpointError if it is a model, not a checkpoint,
/// and as load_parameters does for tensors that are damaged.
CheckpointState load_checkpoint_state(const std::string& path);

/// The network of a model file or checkpoint, with its parameters. Throws CheckpointError, FormatError,
/// DataError.
std::unique_ptr<Network> load_network(const std::string& path, ModelInfo* info);

}  // namespace spikeloom::train
