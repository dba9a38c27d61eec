#include "spikeloom/formats/aedat2.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/formats/big_endian.h"

namespace spikeloom::formats {
namespace {

constexpr int kSensorSize = 128;
constexpr std::size_t kRecordBytes = 8;
constexpr std::uint32_t kSpecialBit = 0x80000000u;
constexpr std::uint32_t kForeignBits = 0x7fff0000u;
constexpr std::uint32_t kTriggerBit = 0x8000u;
constexpr char kVersionMark[] = "#!AER-DAT";
constexpr char kVersion[] = "2.0";
constexpr char kEndOfHeader[] = "#End Of ASCII Header";

bool is_header_character(char c) { return c == '\t' || c == '\r' || static_cast<unsigned char>(c) >= 0x20; }

/// Reads the header line by line; afterwards position() is where the records begin.
class HeaderReader {
 public:
  explicit HeaderReader(const std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}

  std::size_t position() const { return position_; }

  /// The next header line without its end, or false if what follows is no header line.
  bool next(std::string* line) {
    if (position_ >= bytes_.size() || bytes_[position_] != '#') return false;
    const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(position_);
    const auto end = std::find(begin, bytes_.end(), std::uint8_t{'\n'});
    if (end == bytes_.end()) return false;
    // The first byte of a record may be '#' too, but then the "line" is hardly ever text.
    if (!std::all_of(begin, end, [](std::uint8_t c) { return is_header_character(static_cast<char>(c)); }))
      return false;
    line->assign(begin, end);
    if (!line->empty() && line->back() == '\r') line->pop_back();
    position_ = static_cast<std::size_t>(end - bytes_.begin()) + 1;
    return true;
  }

 private:
  const std::vector<std::uint8_t>& bytes_;
  std::size_t position_ = 0;
};

/// Where the records begin.
std::size_t read_header(const std::vector<std::uint8_t>& bytes, const std::string& path) {
  HeaderReader header(bytes);
  std::string line;
  if (!header.next(&line) || line.rfind(kVersionMark, 0) != 0) {
    throw FormatError("not an AEDAT file: its first line is not #!AER-DAT2.0", path, 0);
  }
  const std::string version = line.substr(sizeof(kVersionMark) - 1);
  if (version != kVersion) {
    throw FormatError(fmt::format("AEDAT version '{:.20}': only 2.0 is read", version), path,
                      sizeof(kVersionMark) - 1);
  }
  while (header.next(&line)) {
    if (line.rfind(kEndOfHeader, 0) == 0) break;
  }
  return header.position();
}

}  // namespace

events::EventStream read_aedat2(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  const std::size_t data_begin = read_header(bytes, path);
  const std::size_t count = (bytes.size() - data_begin) / kRecordBytes;
  const std::size_t data_end = data_begin + count * kRecordBytes;
  if (count == 0 || data_end != bytes.size()) {
    throw FormatError(
        fmt::format("{} bytes after the header are no positive multiple of the {} of a record; fetch "
                    "the file again",
                    bytes.size() - data_begin, kRecordBytes),
        path, static_cast<std::int64_t>(data_end));
  }
  events::EventStream stream;
  stream.width = kSensorSize;
  stream.height = kSensorSize;
  stream.events.reserve(count);
  std::int64_t t_us = 0;
  std::uint32_t previous_raw = 0;
  for (std::size_t begin = data_begin; begin < bytes.size(); begin += kRecordBytes) {
    const std::uint32_t address = load_big_endian_u32(bytes.data() + begin);
    const std::uint32_t raw = load_big_endian_u32(bytes.data() + begin + 4);
    // The difference of two 32-bit times modulo 2^32, read as signed, is right across a wrap.
    t_us += static_cast<std::int32_t>(raw - previous_raw);
    previous_raw = raw;
    if ((address & kSpecialBit) != 0) continue;
    if ((address & kForeignBits) != 0) {
      throw FormatError(
          fmt::format("address {:#010x} is none of a DVS128 (bits 16-30 are set): a recording of "
                      "another sensor, or damaged",
                      address),
          path, static_cast<std::int64_t>(begin));
    }
    if ((address & kTriggerBit) != 0) continue;
    events::Event event{};
    event.t_us = t_us;
    event.x = static_cast<std::uint16_t>(kSensorSize - 1 - (address >> 1 & 0x7f));
    event.y = static_cast<std::uint16_t>(address >> 8 & 0x7f);
    event.polarity = static_cast<std::uint8_t>(1 - (address & 1));
    stream.events.push_back(event);
  }
  return stream;
}

}  // namespace spikeloom::formats
