#include "spikeloom/train/checkpoint.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <set>
#include <sstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/nn/device_chain.h"

namespace spikeloom::train {
namespace {

constexpr const char* kOptimizerPrefix = "optimizer.";
constexpr const char* kStateKey = "training_state";

formats::DType to_dtype(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return formats::DType::kF32;
    case at::kDouble:
      return formats::DType::kF64;
    case at::kLong:
      return formats::DType::kI64;
    case at::kInt:
      return formats::DType::kI32;
    default:
      throw CheckpointError(std::string("tensors of type ") + at::toString(type) + " cannot be saved");
  }
}

at::ScalarType to_scalar_type(formats::DType dtype, const std::string& what) {
  switch (dtype) {
    case formats::DType::kF32:
      return at::kFloat;
    case formats::DType::kF64:
      return at::kDouble;
    case formats::DType::kI64:
      return at::kLong;
    case formats::DType::kI32:
      return at::kInt;
    default:
      throw CheckpointError(what + ": its element type is " + formats::dtype_name(dtype) +
                            ", which no Spikeloom model has");
  }
}

void write(const std::string& path, const nn::Network& network, const NamedTensors& more,
           const std::map<std::string, std::string>& metadata) {
  NamedTensors tensors;
  for (const auto& parameter : network.parameters())
    tensors.emplace_back(parameter.name, parameter.value.detach().to(at::kCPU));
  tensors.emplace_back("voting.class_of", network.class_of());
  tensors.insert(tensors.end(), more.begin(), more.end());
  std::vector<formats::TensorView> views;
  for (auto& [name, tensor] : tensors) {
    // Files are row-major; kept alive here until they are written.
    tensor = tensor.to(at::kCPU).contiguous();
    views.push_back({name, to_dtype(tensor.scalar_type()), tensor.sizes().vec(), tensor.data_ptr()});
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
void check_finite(const Value* values, const formats::TensorInfo& info, const std::string& path) {
  const auto count = static_cast<std::int64_t>(info.size_bytes / static_cast<std::int64_t>(sizeof(Value)));
  for (std::int64_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i])) continue;
    throw CheckpointError(path + ": tensor '" + info.name + "' is " +
                          (std::isnan(values[i]) ? "not a number (NaN)" : "infinite") + " at " +
                          index_text(i, info.shape) + ": the file is damaged");
  }
}

/// The bytes match their checksum, where the file has one, and numbers are finite.
at::Tensor read(const formats::SafetensorsFile& file, const formats::TensorInfo& info,
                const std::string& path) {
  at::Tensor tensor =
      at::empty(info.shape, to_scalar_type(info.dtype, path + ": tensor '" + info.name + "'"));
  try {
    file.read(info, tensor.data_ptr());
  } catch (const FormatError& error) {
    throw CheckpointError(error.what());
  }
  if (info.dtype == formats::DType::kF32) check_finite(tensor.data_ptr<float>(), info, path);
  if (info.dtype == formats::DType::kF64) check_finite(tensor.data_ptr<double>(), info, path);
  return tensor;
}

std::string shape_text(at::IntArrayRef sizes) {
  std::ostringstream text;
  text << sizes;
  return text.str();
}

void check_class_of(const at::Tensor& class_of, int num_classes, const std::string& path) {
  for (std::int64_t i = 0; i < class_of.numel(); ++i) {
    const std::int32_t value = class_of.data_ptr<std::int32_t>()[i];
    if (value < 0 || value >= num_classes) {
      throw CheckpointError(path + ": voting.class_of[" + std::to_string(i) + "] is " +
                            std::to_string(value) + ", not one of the " + std::to_string(num_classes) +
                            " classes");
    }
  }
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

void save_model(const std::string& path, const nn::Network& network, const ModelInfo& info) {
  write(path, network, {}, to_metadata(info, "spikeloom-model"));
}

void save_checkpoint(const std::string& path, const nn::Network& network, const ModelInfo& info,
                     const std::string& state, const NamedTensors& optimizer_state) {
  NamedTensors more;
  for (const auto& [name, tensor] : optimizer_state) more.emplace_back(kOptimizerPrefix + name, tensor);
  auto metadata = to_metadata(info, "spikeloom-checkpoint");
  metadata[kStateKey] = state;
  write(path, network, more, metadata);
}

void load_parameters(const std::string& path, nn::Network& network) {
  const auto file = formats::SafetensorsFile::open(path);
  if (!file.has_checksums()) {
    log(LogLevel::kWarning, path +
                                ": has no checksums (an older Spikeloom or another program wrote it): damage "
                                "to its values would not be noticed");
  }
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;
  std::set<std::string> known{"voting.class_of"};
  const auto stage = [&](const std::string& name, const at::Tensor& value) -> const at::Tensor& {
    const auto* info = file.find(name);
    if (info == nullptr) {
      throw CheckpointError(path + ": belongs to another network: it has no tensor '" + name + "'");
    }
    if (at::IntArrayRef(info->shape) != value.sizes()) {
      throw CheckpointError(path + ": belongs to another network: tensor '" + name + "' has shape " +
                            shape_text(info->shape) + ", this network's has " + shape_text(value.sizes()));
    }
    if (info->dtype != to_dtype(value.scalar_type())) {
      throw CheckpointError(path + ": tensor '" + name + "' has elements of type " +
                            formats::dtype_name(info->dtype) + ", this network's are " +
                            formats::dtype_name(to_dtype(value.scalar_type())));
    }
    return copies.emplace_back(value, read(file, *info, path)).second;
  };
  for (const auto& parameter : network.parameters()) {
    known.insert(parameter.name);
    stage(parameter.name, parameter.value);
  }
  check_class_of(stage("voting.class_of", network.class_of()), network.plan().num_classes, path);
  for (const auto& info : file.tensors()) {
    if (known.count(info.name) == 0 && info.name.rfind(kOptimizerPrefix, 0) != 0) {
      throw CheckpointError(path + ": belongs to another network: this one has no tensor '" + info.name +
                            "'");
    }
  }
  const at::NoGradGuard no_grad;
  for (auto& [value, saved] : copies) value.copy_(saved);
  if (auto* chain = network.device_chain()) chain->refresh();
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
    if (info.name.rfind(prefix, 0) == 0) {
      result.optimizer_state.emplace_back(info.name.substr(prefix.size()), read(file, info, path));
    }
  }
  return result;
}

std::unique_ptr<nn::Network> load_network(const std::string& path, ModelInfo* info) {
  *info = read_model_info(path);
  check_holds_network(path, info->plan());
  auto network = std::make_unique<nn::Network>(info->plan(), info->recipe.network, info->recipe.seed);
  load_parameters(path, *network);
  return network;
}

}  // namespace spikeloom::train
