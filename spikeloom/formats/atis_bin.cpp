#include "spikeloom/formats/atis_bin.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kEventBytes = 5;
constexpr std::uint8_t kOverflowRow = 240;
constexpr std::int64_t kOverflowUs = 1 << 13;
constexpr std::int64_t kTimeRange = 1 << 23;

}  // namespace

events::EventStream read_atis_bin(const std::string& path, int width, int height) {
  if (width < 1 || height < 1) {
    throw ShapeError(
        fmt::format("{}: a sensor of {} x {} pixels; both must be positive", path, width, height));
  }
  const std::vector<std::uint8_t> bytes = read_file(path);
  const std::size_t count = bytes.size() / kEventBytes;
  if (count == 0 || bytes.size() % kEventBytes != 0) {
    throw FormatError(
        fmt::format("{} bytes are no positive multiple of the {} of an ATIS event; fetch the file again",
                    bytes.size(), kEventBytes),
        path, static_cast<std::int64_t>(count * kEventBytes));
  }
  events::EventStream stream;
  stream.width = width;
  stream.height = height;
  stream.events.reserve(count);
  std::int64_t offset_us = 0;  // what wraps and overflows have added so far
  std::int64_t previous_raw = 0;
  for (std::size_t begin = 0; begin < bytes.size(); begin += kEventBytes) {
    const std::uint8_t* raw_event = bytes.data() + begin;
    const std::int64_t raw =
        std::int64_t{raw_event[2] & 0x7f} << 16 | std::int64_t{raw_event[3]} << 8 | raw_event[4];
    if (previous_raw - raw > kTimeRange / 2) offset_us += kTimeRange;
    previous_raw = raw;
    if (raw_event[1] == kOverflowRow) {
      offset_us += kOverflowUs;
      continue;
    }
    if (raw_event[0] >= width || raw_event[1] >= height) {
      throw FormatError(fmt::format("event {} is at x = {}, y = {}, outside the sensor of {} x {} pixels",
                                    begin / kEventBytes, raw_event[0], raw_event[1], width, height),
                        path, static_cast<std::int64_t>(begin));
    }
    events::Event event{};
    event.t_us = raw + offset_us;
    event.x = raw_event[0];
    event.y = raw_event[1];
    event.polarity = static_cast<std::uint8_t>(raw_event[2] >> 7);
    stream.events.push_back(event);
  }
  return stream;
}

}  // namespace spikeloom::formats
