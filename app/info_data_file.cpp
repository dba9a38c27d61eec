#include "app/info_data_file.h"

#include <array>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/aedat2.h"
#include "spikeloom/formats/events/atis_bin.h"
#include "spikeloom/formats/cifar10.h"
#include "spikeloom/formats/detect.h"
#include "spikeloom/formats/idx.h"
#include "spikeloom/formats/safetensors.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

void describe(const events::EventStream& stream, ordered_json& json) {
  std::int64_t on = 0;
  for (const auto& event : stream.events) on += event.polarity;
  const auto total = static_cast<std::int64_t>(stream.events.size());
  json["width"] = stream.width;
  json["height"] = stream.height;
  json["events"] = total;
  json["on"] = on;
  json["off"] = total - on;
  if (total == 0) return;
  json["t_first_us"] = stream.events.front().t_us;
  json["t_last_us"] = stream.events.back().t_us;
}

void describe(const formats::Cifar10Batch& batch, ordered_json& json) {
  std::array<std::int64_t, 10> counts{};
  for (const auto label : batch.labels) ++counts[label];
  json["images"] = batch.labels.size();
  json["shape"] = {3, 32, 32};
  json["per_class"] = counts;
}

void describe(const formats::SafetensorsFile& file, ordered_json& json) {
  json["metadata"] = file.metadata();
  json["tensors"] = ordered_json::array();
  for (const auto& tensor : file.tensors()) {
    json["tensors"].push_back(
        {{"name", tensor.name}, {"dtype", formats::dtype_name(tensor.dtype)}, {"shape", tensor.shape}});
  }
}

}  // namespace

ordered_json describe_data_file(const std::string& path) {
  const formats::FileKind kind = formats::detect_file(path);
  ordered_json json = {{"file", path}, {"format", formats::file_kind_name(kind)}};
  switch (kind) {
    case formats::FileKind::kIdx:
      json["shape"] = formats::read_idx(path).shape;
      break;
    case formats::FileKind::kCifar10:
      describe(formats::read_cifar10_batch(path), json);
      break;
    case formats::FileKind::kAtisBin:
      describe(formats::read_atis_bin(path), json);
      break;
    case formats::FileKind::kAedat2:
      describe(formats::read_aedat2(path), json);
      break;
    case formats::FileKind::kSafetensors:
      describe(formats::SafetensorsFile::open(path), json);
      break;
    case formats::FileKind::kUnknown:
      throw FormatError(
          "is of no format known here: IDX (.gz), CIFAR-10 binary, N-MNIST .bin, AEDAT 2.0, safetensors, or "
          "a "
          "recipe (.toml)",
          path);
  }
  return json;
}

}  // namespace spikeloom::app
