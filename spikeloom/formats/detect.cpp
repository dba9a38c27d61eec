#include "spikeloom/formats/detect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/events/event_format.h"
#include "spikeloom/formats/inflate.h"
#include "spikeloom/formats/random_access_file.h"
#include "spikeloom/formats/safetensors_header.h"

namespace spikeloom::formats {
namespace {

constexpr std::int64_t kCifar10Record = 3073;

std::vector<std::uint8_t> read_head(const RandomAccessFile& file, std::int64_t max_size) {
  std::vector<std::uint8_t> head(static_cast<std::size_t>(std::min(file.size(), max_size)));
  file.read_at(0, head.data(), head.size());
  return head;
}

bool has_idx_header(const std::vector<std::uint8_t>& head) {
  constexpr std::uint8_t kTypes[] = {0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e};
  return head.size() >= 4 && head[0] == 0 && head[1] == 0 && head[3] > 0 &&
         std::find(std::begin(kTypes), std::end(kTypes), head[2]) != std::end(kTypes);
}

/// An IDX header of bytes whose product is the size of the file.
bool is_whole_idx(const RandomAccessFile& file, const std::vector<std::uint8_t>& head) {
  if (!has_idx_header(head) || head[2] != 0x08) return false;
  const std::size_t header_size = 4 + 4 * std::size_t{head[3]};
  if (head.size() < header_size) return false;
  std::int64_t values = 1;
  for (std::size_t at = 4; at < header_size; at += 4) {
    const std::int64_t size = load_big_endian_u32(head.data() + at);
    if (size > 0 && values > file.size() / size) return false;
    values *= size;
  }
  return values == file.size() - static_cast<std::int64_t>(header_size);
}

bool is_gzip_idx(const std::vector<std::uint8_t>& head, const std::string& path) {
  if (!is_gzip(head)) return false;
  std::vector<std::uint8_t> inflated;
  try {
    GzipReader(head, path).append(4, inflated);
  } catch (const FormatError&) {
    return false;
  }
  return has_idx_header(inflated);
}

bool is_safetensors(const RandomAccessFile& file, const std::vector<std::uint8_t>& head) {
  if (head.size() < 10 || head[8] != '{') return false;
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | head[i];
  return length >= 2 && length <= static_cast<std::uint64_t>(kMaxSafetensorsHeader) &&
         length <= static_cast<std::uint64_t>(file.size());
}

bool is_cifar10(const RandomAccessFile& file) {
  if (file.size() == 0 || file.size() % kCifar10Record != 0) return false;
  for (std::int64_t at = 0; at < file.size(); at += kCifar10Record) {
    std::uint8_t label = 0;
    file.read_at(at, &label, 1);
    if (label > 9) return false;
  }
  return true;
}

}  // namespace

FileKind detect_file(const std::string& path) {
  const RandomAccessFile file(path);
  try {
    const std::vector<std::uint8_t> head = read_head(file, kRecordingStartBytes);
    if (is_gzip_idx(head, path)) return FileKind::kIdx;
    if (is_whole_idx(file, head)) return FileKind::kIdx;
    if (is_safetensors(file, head)) return FileKind::kSafetensors;
    if (is_cifar10(file)) return FileKind::kCifar10;
    if (recognize_event_format({Span<const std::uint8_t>(head), file.size()}) != nullptr)
      return FileKind::kEvents;
    if (has_idx_header(head)) return FileKind::kIdx;
  } catch (const FormatError& error) {  // the file became shorter while it was read
    throw DataError(error.what());
  }
  return FileKind::kUnknown;
}

const char* file_kind_name(FileKind kind) {
  switch (kind) {
    case FileKind::kIdx:
      return "IDX";
    case FileKind::kCifar10:
      return "CIFAR-10";
    case FileKind::kEvents:
      return "event recording";
    case FileKind::kSafetensors:
      return "safetensors";
    case FileKind::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace spikeloom::formats
