#include "spikeloom/train/run/checkpoint.h"

#include <cmath>
#include <map>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/formats/safetensors.h"

namespace spikeloom::train {
namespace {

constexpr const char* kOptimizerPrefix = "optimizer.";
constexpr const char* kStateKey = "training_state";
constexpr const char* kClassOf = "voting.class_of";

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

/// "[1, 0, 2]": the place of an element of a row-major array.
std::string index_text(std::int64_t element, const std::vector<std::int64_t>& shape) {
  std::string text;
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) {
    text = std::to_string(element % *extent) + (text.empty() ? "" : ", ") + text;
    element /= *extent;
  }
  return "[" + text + "]";
}

template <class Value>
std::vector<float> finite_values(const std::vector<Value>& values, const formats::TensorInfo& info,
                                 const std::string& path) {
  std::vector<float> result;
  result.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw CheckpointError(path + ": tensor '" + info.name + "' is " +
                            (std::isnan(values[i]) ? "not a number (NaN)" : "infinite") + " at " +
                            index_text(static_cast<std::int64_t>(i), info.shape) + ": the file is damaged");
    }
    result.push_back(static_cast<float>(values[i]));
  }
  return result;
}

template <class Value>
std::vector<Value> raw_values(const formats::SafetensorsFile& file, const formats::TensorInfo& info) {
  std::vector<Value> values(static_cast<std::size_t>(info.size_bytes) / sizeof(Value));
  try {
    file.read(info, values.data());
  } catch (const FormatError& error) {
    throw CheckpointError(error.what());
  }
  return values;
}

/// The bytes match their checksum, where the file has one, and numbers are finite. Older files hold decays
/// and thresholds as 64-bit numbers.
SavedTensor read(const formats::SafetensorsFile& file, const formats::TensorInfo& info,
                 const std::string& path) {
  SavedTensor tensor;
  tensor.name = info.name;
  tensor.shape = info.shape;
  switch (info.dtype) {
    case formats::DType::kF32:
      tensor.values = finite_values(raw_values<float>(file, info), info, path);
      return tensor;
    case formats::DType::kF64:
      tensor.values = finite_values(raw_values<double>(file, info), info, path);
      return tensor;
    case formats::DType::kI64:
      tensor.integers = raw_values<std::int64_t>(file, info);
      return tensor;
    case formats::DType::kI32: {
      const auto values = raw_values<std::int32_t>(file, info);
      tensor.integers.assign(values.begin(), values.end());
      return tensor;
    }
    default:
      throw CheckpointError(path + ": tensor '" + info.name + "': its element type is " +
                            formats::dtype_name(info.dtype) + ", which no Spikeloom model has");
  }
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// Before a network is made: a damaged description must not ask for memory that the file's size does not
// justify.
void check_holds_network(const std::string& path, const model::NetworkPlan& plan) {
  std::int64_t bytes = 0;
  const auto file = formats::SafetensorsFile::open(path);
  for (const auto& tensor : file.tensors()) bytes += tensor.size_bytes;
  if (plan.parameters() > bytes / static_cast<std::int64_t>(sizeof(float))) {
    throw CheckpointError(path + ": belongs to another network: its " + std::to_string(bytes) +
                          " bytes of tensors are too few for the " + std::to_string(plan.parameters()) +
                          " parameters that its metadata describe");
  }
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
  const auto file = formats::SafetensorsFile::open(path);
  if (!file.has_checksums()) {
    log(LogLevel::kWarning, path +
                                ": has no checksums (an older Spikeloom or another program wrote it): damage "
                                "to its values would not be noticed");
  }
  const model::Program& program = network.program();
  const auto find = [&](const std::string& name, const std::vector<std::int64_t>& shape,
                        std::initializer_list<formats::DType> types) {
    const auto* info = file.find(name);
    if (info == nullptr) {
      throw CheckpointError(path + ": belongs to another network: it has no tensor '" + name + "'");
    }
    if (info->shape != shape) {
      throw CheckpointError(path + ": belongs to another network: tensor '" + name + "' has shape " +
                            shape_text(info->shape) + ", this network's has " + shape_text(shape));
    }
    for (const formats::DType type : types) {
      if (info->dtype == type) return read(file, *info, path);
    }
    throw CheckpointError(path + ": tensor '" + name + "' has elements of type " +
                          formats::dtype_name(info->dtype) + ", this network's are " +
                          formats::dtype_name(*types.begin()));
  };
  std::set<std::string> known{kClassOf};
  std::vector<SavedTensor> staged;  // all or nothing
  for (const model::Slot& slot : program.slots) {
    known.insert(slot.name);
    if (slot.role == model::Role::kNeuron) {
      staged.push_back(find(slot.name, slot.shape, {formats::DType::kF32, formats::DType::kF64}));
    } else {
      staged.push_back(find(slot.name, slot.shape, {formats::DType::kF32}));
    }
  }
  const SavedTensor class_of =
      find(kClassOf, {static_cast<std::int64_t>(program.class_of.size())}, {formats::DType::kI32});
  std::vector<std::int32_t> classes;
  for (std::size_t i = 0; i < class_of.integers.size(); ++i) {
    const std::int64_t value = class_of.integers[i];
    if (value < 0 || value >= program.num_classes) {
      throw CheckpointError(path + ": voting.class_of[" + std::to_string(i) + "] is " +
                            std::to_string(value) + ", not one of the " +
                            std::to_string(program.num_classes) + " classes");
    }
    classes.push_back(static_cast<std::int32_t>(value));
  }
  for (const auto& info : file.tensors()) {
    if (known.count(info.name) == 0 && info.name.rfind(kOptimizerPrefix, 0) != 0) {
      throw CheckpointError(path + ": belongs to another network: this one has no tensor '" + info.name +
                            "'");
    }
  }
  for (std::size_t slot = 0; slot < staged.size(); ++slot) {
    network.engine().write(static_cast<int>(slot), staged[slot].values);
  }
  network.engine().set_class_of(classes);
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
      staged.emplace_back(index, read(file, *info, path));
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
    result.optimizer_state.push_back(read(file, info, path));
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
