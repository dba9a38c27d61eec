#include "spikeloom/formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/safetensors_checksum.h"
#include "spikeloom/formats/safetensors_header.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian and is read and written here without conversion"
#endif

namespace spikeloom::formats {
namespace {

constexpr std::int64_t kLengthBytes = 8;

/// A JSON string literal.
std::string json_text(const std::string& text, const std::string& path) {
  try {
    return spikeloom::json_text(nlohmann::json(text));
  } catch (const nlohmann::json::exception&) {
    throw FormatError("a name or metadata text to be written is not UTF-8", path);
  }
}

/// The arrays in the order in which they are written. An array that starts at a multiple of its element size
/// is aligned; larger elements first makes every one so, without holes.
std::vector<const TensorView*> writing_order(const std::vector<TensorView>& tensors) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    const std::size_t size_a = dtype_size(a->dtype), size_b = dtype_size(b->dtype);
    return std::tie(size_b, a->name) < std::tie(size_a, b->name);
  });
  return order;
}

void check_names(const std::vector<TensorView>& tensors, const std::string& path) {
  std::vector<std::string> names;
  for (const TensorView& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto repeated = std::adjacent_find(names.begin(), names.end());
  if (repeated != names.end())
    throw FormatError(fmt::format("two arrays to be written are named {}", in_quotes(*repeated)), path);
  if (std::binary_search(names.begin(), names.end(), kSafetensorsMetadataKey)) {
    throw FormatError("an array to be written has the reserved name '__metadata__'", path);
  }
}

std::string header_text(const std::vector<const TensorView*>& order, const std::string& path,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += fmt::format("\"{}\":{{", kSafetensorsMetadataKey);
    for (const auto& [key, value] : metadata) {
      text +=
          fmt::format("{}{}:{}", text.back() == '{' ? "" : ",", json_text(key, path), json_text(value, path));
    }
    text += "}";
  }
  std::int64_t begin = 0;
  for (const TensorView* tensor : order) {
    const std::int64_t size = tensor_bytes(tensor->dtype, tensor->shape);
    if (size < 0 || size > (std::int64_t{1} << 62) - begin || tensor->shape.size() > kMaxSafetensorsRank) {
      throw FormatError(fmt::format("array {} to be written has shape [{}], which is negative or too large",
                                    in_quotes(tensor->name), fmt::join(tensor->shape, ", ")),
                        path);
    }
    if (size > 0 && tensor->data == nullptr) {
      throw FormatError(fmt::format("array {} to be written has no data", in_quotes(tensor->name)), path);
    }
    text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        text == "{" ? "" : ",", json_text(tensor->name, path), dtype_name(tensor->dtype),
                        fmt::join(tensor->shape, ","), begin, begin + size);
    begin += size;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  if (static_cast<std::int64_t>(text.size()) > kMaxSafetensorsHeader) {
    throw FormatError(fmt::format("the header to be written has {} bytes, more than the {} allowed",
                                  text.size(), kMaxSafetensorsHeader),
                      path);
  }
  return text;
}

std::map<std::string, std::string> with_checksums(const std::vector<const TensorView*>& tensors,
                                                  std::map<std::string, std::string> metadata) {
  metadata[kHeaderChecksumKey] = empty_checksum();
  for (const TensorView* tensor : tensors) {
    metadata[kTensorChecksumPrefix + tensor->name] =
        checksum_of(tensor->data, static_cast<std::size_t>(tensor_bytes(tensor->dtype, tensor->shape)));
  }
  return metadata;
}

std::int64_t read_header_length(const RandomAccessFile& file) {
  if (file.size() < kLengthBytes) {
    throw FormatError(counted(file.size(), "byte") + " are too few for a safetensors file", file.path(),
                      file.size());
  }
  std::uint64_t length = 0;
  file.read_at(0, &length, sizeof(length));
  if (length > static_cast<std::uint64_t>(kMaxSafetensorsHeader)) {
    throw FormatError(
        fmt::format("a header of {} bytes, more than the {} allowed: not a safetensors file, or damaged",
                    length, kMaxSafetensorsHeader),
        file.path(), 0);
  }
  if (length > static_cast<std::uint64_t>(file.size() - kLengthBytes)) {
    throw FormatError(
        fmt::format("a header of {} in a file of {}: cut short, or not a safetensors file",
                    counted(static_cast<std::int64_t>(length), "byte"), with_separators(file.size())),
        file.path(), 0);
  }
  return static_cast<std::int64_t>(length);
}

/// Sorts by place and makes offsets count from the start of the file. The arrays must fill the data exactly.
void place_tensors(std::vector<TensorInfo>* tensors, std::int64_t data_begin, const RandomAccessFile& file) {
  std::stable_sort(tensors->begin(), tensors->end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.offset, a.size_bytes) < std::tie(b.offset, b.size_bytes);
  });
  const std::int64_t data_size = file.size() - data_begin;
  std::int64_t end = 0;
  for (TensorInfo& tensor : *tensors) {
    const std::string where = fmt::format("array {} at data bytes {} to {}", in_quotes(tensor.name),
                                          tensor.offset, tensor.offset + tensor.size_bytes);
    if (tensor.offset != end) {
      throw FormatError(fmt::format("{} {} the one before, which ends at {}", where,
                                    tensor.offset < end ? "overlaps" : "leaves a gap after", end),
                        file.path(), data_begin + std::min(end, data_size));
    }
    end = tensor.offset + tensor.size_bytes;
    if (end > data_size) {
      throw FormatError(fmt::format("{} ends after the end of the file, which has {} data bytes: cut short",
                                    where, data_size),
                        file.path(), file.size());
    }
    tensor.offset += data_begin;
  }
  if (end != data_size) {
    throw FormatError(
        "after the last array there are " + counted(data_size - end, "byte") + " that belong to none",
        file.path(), data_begin + end);
  }
}

}  // namespace

void write_safetensors(const std::string& path, const std::vector<TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata, Checksums checksums) {
  check_names(tensors, path);
  for (const auto& [key, value] : metadata) {
    if (key.rfind(kChecksumPrefix, 0) != 0) continue;
    throw FormatError(fmt::format("metadata key {} to be written is reserved for checksums", in_quotes(key)),
                      path);
  }
  const std::vector<const TensorView*> order = writing_order(tensors);
  std::string header;
  if (checksums == Checksums::kNone) {
    header = header_text(order, path, metadata);
  } else {
    header_text(order, path, metadata);  // shapes and data are good before they are read
    header = header_text(order, path, with_checksums(order, metadata));
    seal_header(&header);
  }
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const TensorView* tensor : order) {
    file.write(tensor->data, static_cast<std::size_t>(tensor_bytes(tensor->dtype, tensor->shape)));
  }
  file.commit();
}

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  SafetensorsFile result;
  auto file = std::make_shared<const RandomAccessFile>(path);
  const std::int64_t length = read_header_length(*file);
  std::vector<char> json(static_cast<std::size_t>(length));
  file->read_at(kLengthBytes, json.data(), json.size());
  SafetensorsHeader header = parse_safetensors_header(json, kLengthBytes, path);
  result.has_checksums_ = formats::has_checksums(header);
  result.checksums_ = take_checksums(&header, json, kLengthBytes, path);
  result.data_begin_ = kLengthBytes + length;
  place_tensors(&header.tensors, result.data_begin_, *file);
  result.file_ = std::move(file);
  result.metadata_ = std::move(header.metadata);
  result.tensors_ = std::move(header.tensors);
  for (std::size_t i = 0; i < result.tensors_.size(); ++i) result.index_by_name_[result.tensors_[i].name] = i;
  return result;
}

const TensorInfo* SafetensorsFile::find(const std::string& name) const {
  const auto found = index_by_name_.find(name);
  return found == index_by_name_.end() ? nullptr : &tensors_[found->second];
}

void SafetensorsFile::read(const TensorInfo& tensor, void* destination) const {
  if (tensor.offset < data_begin_ || tensor.size_bytes < 0 || tensor.offset > file_->size() ||
      tensor.size_bytes > file_->size() - tensor.offset) {
    throw FormatError(fmt::format("array {} of {} bytes does not lie in this file's data",
                                  in_quotes(tensor.name), tensor.size_bytes),
                      file_->path(), tensor.offset);
  }
  file_->read_at(tensor.offset, destination, static_cast<std::size_t>(tensor.size_bytes));
  const auto checksum = checksums_.find(tensor.name);
  if (checksum == checksums_.end()) return;
  if (checksum_of(destination, static_cast<std::size_t>(tensor.size_bytes)) != checksum->second) {
    throw FormatError(fmt::format("array {} does not match its checksum: one or more of its {} bytes are "
                                  "damaged",
                                  in_quotes(tensor.name), tensor.size_bytes),
                      file_->path(), tensor.offset);
  }
}

}  // namespace spikeloom::formats
