#include "spikeloom/formats/events/atis_bin.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/events/fixed_record_reader.h"
#include "spikeloom/formats/events/sensor_bounds.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kName = "ATIS bin";
constexpr std::size_t kEventBytes = 5;
constexpr std::size_t kFewestEvents = 8;  // fewer could be in order by chance
constexpr std::uint8_t kOverflowRow = 240;
constexpr std::int64_t kOverflowUs = 1 << 13;
constexpr std::int64_t kTimeRange = 1 << 23;

std::uint32_t raw_time(const std::uint8_t* event) { return load_big_endian_u32(event + 1) & 0x7fffffu; }

struct AtisDecoder {
  static constexpr std::size_t kRecordBytes = kEventBytes;
  std::uint32_t width = 0, height = 0;
  std::int64_t offset_us = 0;  // what wraps and overflows have added so far
  std::int64_t previous_raw = 0;

  bool decode(const std::uint8_t* records, std::size_t count, events::Event* events,
              std::size_t* num_events) {
    std::int64_t offset = offset_us, previous = previous_raw;
    std::size_t written = 0;
    std::uint32_t damaged = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* record = records + i * kEventBytes;
      const std::int64_t raw = raw_time(record);
      const std::uint32_t x = record[0], y = record[1];
      const bool overflow = y == kOverflowRow;
      offset +=
          std::int64_t{previous - raw > kTimeRange / 2} * kTimeRange + std::int64_t{overflow} * kOverflowUs;
      previous = raw;
      damaged |= std::uint32_t{!overflow} & is_outside(x, y, width, height);
      events::Event& event = events[written];
      event.t_us = raw + offset;
      event.x = static_cast<std::uint16_t>(x);
      event.y = static_cast<std::uint16_t>(y);
      event.polarity = static_cast<std::uint8_t>(record[2] >> 7);
      written += !overflow;
    }
    offset_us = offset;
    previous_raw = previous;
    *num_events = written;
    return damaged == 0;
  }

  [[noreturn]] void refuse(const std::uint8_t* record, const std::string& file, std::int64_t offset) const {
    throw FormatError(
        fmt::format(
            "event {} is at x = {}, y = {}, outside the sensor of {} x {} pixels: damaged, or of another "
            "sensor (give its width and height)",
            offset / static_cast<std::int64_t>(kEventBytes), record[0], record[1], width, height),
        file, offset);
  }
};

bool recognizes(const RecordingStart& start) {
  if (start.size >= 0 && start.size % static_cast<std::int64_t>(kEventBytes) != 0) return false;
  const std::size_t count = start.bytes.size() / kEventBytes;
  if (count < kFewestEvents) return false;
  std::uint32_t previous = 0;
  bool moves = false;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* event = start.bytes.data() + i * kEventBytes;
    const std::uint32_t time = raw_time(event);
    const bool overflow = event[1] == kOverflowRow;
    if (event[1] > kOverflowRow) return false;
    // An overflow event lets the 13-bit clock start again; a wrap is a step of nearly the whole range.
    if (time < previous && !overflow && previous - time < kTimeRange / 4 * 3) return false;
    moves = moves || time > previous;
    previous = overflow ? 0 : time;
  }
  return moves;
}

std::unique_ptr<EventReader> open(std::unique_ptr<ByteSource> source, const RecordingStart& start,
                                  const EventReaderOptions& options) {
  struct Size {
    int width, height;
  };
  Size size{options.width, options.height};
  if (size.width == 0 || size.height == 0) {
    int x = 0, y = 0;
    for (std::size_t at = 0; at + kEventBytes <= start.bytes.size(); at += kEventBytes) {
      if (start.bytes[at + 1] == kOverflowRow) continue;
      x = std::max<int>(x, start.bytes[at]);
      y = std::max<int>(y, start.bytes[at + 1]);
    }
    Size usual{256, 240};
    if (x < 240 && y < 180) usual = {240, 180};
    if (x < 34 && y < 34) usual = {34, 34};
    if (size.width == 0) size.width = usual.width;
    if (size.height == 0) size.height = usual.height;
  }
  AtisDecoder decoder;
  decoder.width = static_cast<std::uint32_t>(size.width);
  decoder.height = static_cast<std::uint32_t>(size.height);
  return std::make_unique<FixedRecordReader<AtisDecoder>>(kName, size.width, size.height,
                                                          ByteWindow(std::move(source)), decoder);
}

}  // namespace

EventFormat atis_bin_format() { return {"atis-bin", kName, recognizes, open}; }

events::EventStream read_atis_bin(const std::string& path, int width, int height) {
  if (width < 1 || height < 1) {
    throw ShapeError(
        fmt::format("{}: a sensor of {} x {} pixels; both must be positive", path, width, height));
  }
  return read_events(path, {"atis-bin", width, height});
}

}  // namespace spikeloom::formats
