#include "spikeloom/runtime/model_file.h"

#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/safetensors.h"

namespace spikeloom::runtime {
namespace {

using formats::DType;
using formats::SafetensorsFile;
using formats::TensorInfo;

constexpr const char* kClassOf = "voting.class_of";

const TensorInfo& find(const SafetensorsFile& file, const std::string& path, const std::string& name,
                       const std::vector<std::int64_t>& shape) {
  const TensorInfo* const info = file.find(name);
  if (info == nullptr)
    throw CheckpointError(path + ": its network needs the tensor '" + name + "', which it lacks");
  if (info->shape != shape) {
    throw CheckpointError(path + ": tensor '" + name + "' has not the shape that its network asks for");
  }
  return *info;
}

template <class Value>
std::vector<Value> values_of(const SafetensorsFile& file, const TensorInfo& info) {
  std::vector<Value> values(static_cast<std::size_t>(info.size_bytes) / sizeof(Value));
  try {
    file.read(info, values.data());
  } catch (const FormatError& error) {
    throw CheckpointError(error.what());
  }
  return values;
}

std::vector<float> floats_of(const SafetensorsFile& file, const std::string& path, const TensorInfo& info) {
  std::vector<float> result;
  if (info.dtype == DType::kF32) {
    result = values_of<float>(file, info);
  } else if (info.dtype == DType::kF64) {  // decays and thresholds of older files
    const std::vector<double> values = values_of<double>(file, info);
    result.assign(values.begin(), values.end());
  } else {
    throw CheckpointError(path + ": tensor '" + info.name + "': its element type is " +
                          formats::dtype_name(info.dtype) + ", expected F32");
  }
  for (const float value : result) {
    if (!std::isfinite(value)) {
      throw CheckpointError(path + ": tensor '" + info.name +
                            "' holds a value that is not finite: the file is damaged");
    }
  }
  return result;
}

void check_holds_network(const SafetensorsFile& file, const std::string& path, std::int64_t parameters) {
  std::int64_t bytes = 0;
  for (const TensorInfo& tensor : file.tensors()) bytes += tensor.size_bytes;
  if (parameters <= bytes / static_cast<std::int64_t>(sizeof(float))) return;
  throw CheckpointError(path + ": its " + std::to_string(bytes) + " bytes of tensors are too few for the " +
                        std::to_string(parameters) + " parameters that its metadata describe");
}

}  // namespace

Model load_model(const std::string& run_or_model) {
  Model result;
  result.path = train::find_model(run_or_model);
  result.info = train::read_model_info(result.path);
  const auto plan = result.info.plan();
  const auto file = SafetensorsFile::open(result.path);
  check_holds_network(file, result.path, plan.parameters());
  model::Program program = model::make_program(plan, result.info.recipe.network, result.info.recipe.seed);
  SlotValues values;
  for (const model::Slot& slot : program.slots) {
    values.push_back(floats_of(file, result.path, find(file, result.path, slot.name, slot.shape)));
  }
  const TensorInfo& classes =
      find(file, result.path, kClassOf, {static_cast<std::int64_t>(program.class_of.size())});
  if (classes.dtype != DType::kI32) {
    throw CheckpointError(result.path + ": tensor '" + kClassOf + "' must have the element type I32");
  }
  program.class_of = values_of<std::int32_t>(file, classes);
  for (const std::int32_t one : program.class_of) {
    if (one >= 0 && one < program.num_classes) continue;
    throw CheckpointError(result.path + ": tensor '" + kClassOf + "' names the class " + std::to_string(one) +
                          ", there are " + std::to_string(program.num_classes));
  }
  result.network = std::make_shared<const Network>(
      make_network(program, values, arithmetic_of(result.info.recipe.network.compute)));
  return result;
}

}  // namespace spikeloom::runtime
