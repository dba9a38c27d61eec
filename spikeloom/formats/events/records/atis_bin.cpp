#include "spikeloom/formats/events/records/atis_bin.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/events/records/fixed_record_reader.h"
#include "spikeloom/formats/events/records/sensor_bounds.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kAtisBinName = "ATIS bin";
constexpr std::size_t kAtisBinEventBytes = 5;
constexpr std::size_t kFewestEvents = 8;  // fewer could be in order by chance
constexpr std::uint32_t kLongStep = 1 << 16;
constexpr std::uint8_t kOverflowRow = 240;
constexpr std::uint32_t kColumns = 256;
constexpr std::int64_t kOverflowUs = 1 << 13;
constexpr std::int64_t kTimeRange = 1 << 23;

std::uint32_t raw_time(const std::uint8_t* event) { return load_big_endian_u32(event + 1) & 0x7fffffu; }

struct AtisDecoder {
  static constexpr std::size_t kRecordBytes = kAtisBinEventBytes;
  std::uint32_t width = 0, height = 0;
  std::int64_t offset_us = 0;  // what wraps and overflows have added so far
  std::int64_t previous_raw = 0;

  bool decode(const std::uint8_t* records, std::size_t count, events::Event* events,
              std::size_t* num_events) {
    std::int64_t offset = offset_us, previous = previous_raw;
    std::size_t written = 0;
    std::uint32_t damaged = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t* record = records + i * kAtisBinEventBytes;
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
            "sensor (give its size with --sensor, or leave such events out with --drop-outside; data.sensor, "
            "data.drop_outside)",
            offset / static_cast<std::int64_t>(kAtisBinEventBytes), record[0], record[1], width, height),
        file, offset);
  }
};

bool recognizes_atis_bin(const RecordingStart& start) {
  if (start.size >= 0 && start.size % static_cast<std::int64_t>(kAtisBinEventBytes) != 0) return false;
  const std::size_t count = start.bytes.size() / kAtisBinEventBytes;
  if (count < kFewestEvents) return false;
  std::uint32_t previous = 0;
  bool moves = false;
  std::size_t long_steps = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* event = start.bytes.data() + i * kAtisBinEventBytes;
    const std::uint32_t time = raw_time(event);
    const bool overflow = event[1] == kOverflowRow;
    if (event[1] > kOverflowRow) return false;
    // An overflow event lets the 13-bit clock start again; a wrap is a step of nearly the whole range.
    if (time < previous && !overflow && previous - time < kTimeRange / 4 * 3) return false;
    moves = moves || time > previous;
    long_steps += i > 0 && ((time - previous) & (kTimeRange - 1)) >= kLongStep;
    previous = overflow ? 0 : time;
  }
  // An event sensor is not as slow as that: other bytes in order are, since three of them make a time.
  return moves && long_steps * 2 < count;
}

std::unique_ptr<EventReader> open_atis_bin(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                           const EventReaderOptions& options) {
  AtisDecoder decoder;  // where nothing says the size, all that a record can hold is inside
  decoder.width = options.width > 0 ? static_cast<std::uint32_t>(options.width) : kColumns;
  decoder.height = options.height > 0 ? static_cast<std::uint32_t>(options.height) : kOverflowRow;
  return std::make_unique<FixedRecordReader<AtisDecoder>>(kAtisBinName, options.width, options.height,
                                                          ByteWindow(std::move(source)), decoder, options);
}

}  // namespace

EventFormat atis_bin_format() { return {"atis-bin", kAtisBinName, recognizes_atis_bin, open_atis_bin}; }

events::EventStream read_atis_bin(const std::string& path, int width, int height) {
  if (width < 1 || height < 1) {
    throw ShapeError(
        fmt::format("{}: a sensor of {} x {} pixels; both must be positive", path, width, height));
  }
  return read_events(path, {"atis-bin", width, height});
}

}  // namespace spikeloom::formats
