#include "app/info_data_file.h"

#include <algorithm>
#include <array>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/cifar10.h"
#include "spikeloom/formats/detect.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/idx.h"
#include "spikeloom/formats/safetensors.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

/// Read through once with the memory of one piece.
void describe(formats::EventReader& reader, ordered_json& json) {
  constexpr std::size_t kPiece = std::size_t{1} << 14;
  std::vector<events::Event> piece(kPiece);
  std::int64_t total = 0, on = 0, t_first_us = 0, t_last_us = 0;
  int width = 0, height = 0;
  std::size_t count = 0;
  while ((count = reader.read(piece.data(), piece.size())) > 0) {
    if (total == 0) t_first_us = piece[0].t_us;
    t_last_us = piece[count - 1].t_us;
    for (std::size_t i = 0; i < count; ++i) {
      on += piece[i].polarity;
      width = std::max(width, piece[i].x + 1);
      height = std::max(height, piece[i].y + 1);
    }
    total += static_cast<std::int64_t>(count);
  }
  const bool is_known = reader.width() > 0 && reader.height() > 0;
  json["width"] = is_known ? reader.width() : width;
  json["height"] = is_known ? reader.height() : height;
  json["events"] = total;
  json["on"] = on;
  json["off"] = total - on;
  if (total == 0) return;
  json["t_first_us"] = t_first_us;
  json["t_last_us"] = t_last_us;
}

ordered_json describe_recording(const std::string& path, const formats::EventReaderOptions& options) {
  const auto reader = formats::open_events(path, options);
  ordered_json json = {{"file", path}, {"format", reader->format()}};
  if (reader->num_recordings() != 1) json["recordings"] = reader->num_recordings();
  if (const auto cameras = reader->cameras(); !cameras.empty()) json["cameras"] = cameras;
  if (const std::string order = reader->columns_by_value(); !order.empty())
    json["columns"] = order + " (from the values)";
  describe(*reader, json);
  if (options.drop_outside) json["dropped_outside"] = reader->dropped_events();
  if (options.partial) json["unread_bytes"] = reader->unread_bytes();
  return json;
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

bool is_archive(const std::string& path) {
  std::uint8_t start[512];
  return formats::is_archive(start, formats::open_file_source(path)->read(start, sizeof(start)));
}

}  // namespace

ordered_json describe_data_file(const std::string& path, const formats::EventReaderOptions& options) {
  if (options.format != "auto" || formats::split_archive_path(path)) return describe_recording(path, options);
  const formats::FileKind kind = formats::detect_file(path);
  ordered_json json = {{"file", path}, {"format", formats::file_kind_name(kind)}};
  switch (kind) {
    case formats::FileKind::kIdx:
      json["shape"] = formats::read_idx(path).shape;
      break;
    case formats::FileKind::kCifar10:
      describe(formats::read_cifar10_batch(path), json);
      break;
    case formats::FileKind::kEvents:
      return describe_recording(path, options);
    case formats::FileKind::kSafetensors:
      describe(formats::SafetensorsFile::open(path), json);
      break;
    case formats::FileKind::kUnknown:
      if (is_archive(path) || options.partial) return describe_recording(path, options);
      throw FormatError(
          "is not in a known format: an event recording, IDX (.gz), CIFAR-10 binary, safetensors, or a "
          "recipe "
          "(.toml); event recordings without a header need --format",
          path);
  }
  return json;
}

}  // namespace spikeloom::app
