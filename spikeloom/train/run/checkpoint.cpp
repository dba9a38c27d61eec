#include "spikeloom/train/run/checkpoint.h"

#include <map>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/train/run/model_tensors.h"

namespace spikeloom::train {
namespace {

constexpr const char* kStateKey = "training_state";

void write(const std::string& path, const Network& network, const std::vector<SavedTensor>& more,
           const std::map<std::string, std::string>& metadata) {
  std::vector<std::vector<float>> values;  // kept alive here until they are written
  std::vector<formats::TensorView> views;
  const model::Program& program = network.program();
  values.reserve(program.slots.size());
  for (std::size_t slot = 0; slot < program.slots.size(); ++slot) {
    values.push_back(network.engine().read(static_cast<int>(slot)));
    views.push_back(
        {program.slots[slot].name, formats::DType::kF32, program.slots[slot].shape, values.back().data()});
  }
  views.push_back({kClassOf,
                   formats::DType::kI32,
                   {static_cast<std::int64_t>(program.class_of.size())},
                   program.class_of.data()});
  for (const SavedTensor& tensor : more) {
    const bool whole = !tensor.integers.empty();
    views.push_back({kOptimizerPrefix + tensor.name, whole ? formats::DType::kI64 : formats::DType::kF32,
                     tensor.shape,
                     whole ? static_cast<const void*>(tensor.integers.data()) : tensor.values.data()});
  }
  formats::write_safetensors(path, views, metadata, formats::Checksums::kXxh3);
}

}  // namespace

void save_model(const std::string& path, const Network& network, const ModelInfo& info) {
  write(path, network, {}, to_metadata(info, "spikeloom-model"));
}

void save_checkpoint(const std::string& path, const Network& network, const ModelInfo& info,
                     const std::string& state, const std::vector<SavedTensor>& optimizer_state) {
  auto metadata = to_metadata(info, "spikeloom-checkpoint");
  metadata[kStateKey] = state;
  write(path, network, optimizer_state, metadata);
}

void load_parameters(const std::string& path, Network& network) {
  const ModelTensors tensors = read_model_tensors(path, network.program());  // all or nothing
  for (std::size_t slot = 0; slot < tensors.slots.size(); ++slot) {
    network.engine().write(static_cast<int>(slot), tensors.slots[slot]);
  }
  network.engine().set_class_of(tensors.class_of);
}

TakenParameters take_parameters(const std::string& path, Network& network) {
  const auto file = formats::SafetensorsFile::open(path);
  TakenParameters result;
  std::set<std::string> known{kClassOf};
  std::vector<std::pair<int, SavedTensor>> staged;  // all or nothing
  int index = 0;
  for (const model::Slot& slot : network.program().slots) {
    const auto* info = file.find(slot.name);
    if (info != nullptr && info->shape == slot.shape) {
      staged.emplace_back(index, read_tensor(file, *info, path));
      known.insert(slot.name);
      result.taken.push_back(slot.name);
    } else {
      result.kept.push_back(slot.name);
    }
    ++index;
  }
  for (const auto& info : file.tensors()) {
    if (known.count(info.name) == 0 && info.name.rfind(kOptimizerPrefix, 0) != 0) {
      result.unused.push_back(info.name);
    }
  }
  if (staged.empty()) {
    throw CheckpointError(path + ": has no parameter of a name and shape that this network has");
  }
  for (auto& [slot, saved] : staged) network.engine().write(slot, saved.values);
  return result;
}

CheckpointState load_checkpoint_state(const std::string& path) {
  const auto file = formats::SafetensorsFile::open(path);
  const auto found = file.metadata().find(kStateKey);
  if (found == file.metadata().end()) {
    throw CheckpointError(path + ": is a model, not a checkpoint: training cannot be resumed from it");
  }
  CheckpointState result;
  result.state = found->second;
  const std::string prefix = kOptimizerPrefix;
  for (const auto& info : file.tensors()) {
    if (info.name.rfind(prefix, 0) != 0) continue;
    result.optimizer_state.push_back(read_tensor(file, info, path));
    result.optimizer_state.back().name = info.name.substr(prefix.size());
  }
  return result;
}

std::unique_ptr<Network> load_network(const std::string& path, ModelInfo* info) {
  *info = read_model_info(path);
  check_holds_network(path, info->plan());
  auto network = make_network(info->plan(), info->recipe.network, info->recipe.seed);
  load_parameters(path, *network);
  return network;
}

}  // namespace spikeloom::train
