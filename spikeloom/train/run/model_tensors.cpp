#include "spikeloom/train/run/model_tensors.h"

#include <cmath>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/model/current_range.h"

namespace spikeloom::train {
namespace {

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
void check_finite(const std::vector<Value>& values, const formats::TensorInfo& info,
                  const std::string& path) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw CheckpointError(path + ": tensor '" + info.name + "' is " +
                          (std::isnan(values[i]) ? "not a number (NaN)" : "infinite") + " at " +
                          index_text(static_cast<std::int64_t>(i), info.shape) + ": the file is damaged");
  }
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

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

const formats::TensorInfo& find(const formats::SafetensorsFile& file, const std::string& path,
                                const std::string& name, const std::vector<std::int64_t>& shape,
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
    if (info->dtype == type) return *info;
  }
  throw CheckpointError(path + ": tensor '" + name + "' has elements of type " +
                        formats::dtype_name(info->dtype) + ", this network's are " +
                        formats::dtype_name(*types.begin()));
}

std::vector<std::int32_t> classes_of(const SavedTensor& class_of, const model::Program& program,
                                     const std::string& path) {
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
  return classes;
}

}  // namespace

SavedTensor read_tensor(const formats::SafetensorsFile& file, const formats::TensorInfo& info,
                        const std::string& path) {
  SavedTensor tensor;
  tensor.name = info.name;
  tensor.shape = info.shape;
  switch (info.dtype) {
    case formats::DType::kF32:
      tensor.values = raw_values<float>(file, info);
      check_finite(tensor.values, info, path);
      return tensor;
    case formats::DType::kF64: {
      const auto values = raw_values<double>(file, info);
      check_finite(values, info, path);
      tensor.values.assign(values.begin(), values.end());
      return tensor;
    }
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

ModelTensors read_model_tensors(const std::string& path, const model::Program& program) {
  const auto file = formats::SafetensorsFile::open(path);
  if (!file.has_checksums()) {
    log(LogLevel::kWarning, path +
                                ": has no checksums (an older Spikeloom or another program wrote it): damage "
                                "to its values would not be noticed");
  }
  using formats::DType;
  std::set<std::string> known{kClassOf};
  ModelTensors result;
  for (const model::Slot& slot : program.slots) {
    known.insert(slot.name);
    const auto& info = slot.role == model::Role::kNeuron
                           ? find(file, path, slot.name, slot.shape, {DType::kF32, DType::kF64})
                           : find(file, path, slot.name, slot.shape, {DType::kF32});
    result.slots.push_back(read_tensor(file, info, path).values);
  }
  const auto& class_of =
      find(file, path, kClassOf, {static_cast<std::int64_t>(program.class_of.size())}, {DType::kI32});
  result.class_of = classes_of(read_tensor(file, class_of, path), program, path);
  for (const auto& info : file.tensors()) {
    if (known.count(info.name) == 0 && info.name.rfind(kOptimizerPrefix, 0) != 0) {
      throw CheckpointError(path + ": belongs to another network: this one has no tensor '" + info.name +
                            "'");
    }
  }
  try {
    model::check_currents(program, result.slots);
  } catch (const NumericsError& error) {
    throw NumericsError(path + ": " + error.what());
  }
  return result;
}

}  // namespace spikeloom::train
