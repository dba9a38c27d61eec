#include "spikeloom/formats/events/aedat2.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/events/fixed_record_reader.h"
#include "spikeloom/formats/events/sensor_bounds.h"
#include "spikeloom/formats/events/text_header.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kName = "AEDAT 2.0";
constexpr std::uint32_t kDvsSize = 128;
constexpr std::uint32_t kSpecialBit = 0x80000000u;
constexpr std::uint32_t kDvsForeignBits = 0x7fff0000u;
constexpr std::uint32_t kDvsTriggerBit = 0x8000u;
constexpr std::uint32_t kDavisExternalBit = 0x400u;
constexpr char kVersionMark[] = "#!AER-DAT";
constexpr char kVersion[] = "2.0";
constexpr char kEndOfHeader[] = "#End Of ASCII Header";

/// Time that goes on over the wraps of a 32-bit clock.
struct WrappingClock {
  std::int64_t t_us = 0;
  std::uint32_t previous = 0;
};

struct Dvs128Decoder {
  static constexpr std::size_t kRecordBytes = 8;
  WrappingClock clock;

  bool decode(const std::uint8_t* records, std::size_t count, events::Event* events,
              std::size_t* num_events) {
    std::int64_t t_us = clock.t_us;
    std::uint32_t previous = clock.previous, foreign = 0;
    std::size_t written = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t address = load_big_endian_u32(records + i * kRecordBytes);
      const std::uint32_t raw = load_big_endian_u32(records + i * kRecordBytes + 4);
      // The difference of two 32-bit times modulo 2^32, read as signed, is right across a wrap.
      t_us += static_cast<std::int32_t>(raw - previous);
      previous = raw;
      foreign |= (address & kSpecialBit) != 0 ? 0 : address & kDvsForeignBits;
      events::Event& event = events[written];
      event.t_us = t_us;
      event.x = static_cast<std::uint16_t>(kDvsSize - 1 - (address >> 1 & 0x7f));
      event.y = static_cast<std::uint16_t>(address >> 8 & 0x7f);
      event.polarity = static_cast<std::uint8_t>(1 - (address & 1));
      written += (address & (kSpecialBit | kDvsTriggerBit)) == 0;
    }
    clock = {t_us, previous};
    *num_events = written;
    return foreign == 0;
  }

  [[noreturn]] void refuse(const std::uint8_t* record, const std::string& file, std::int64_t offset) const {
    throw FormatError(fmt::format("address {:#010x} is none of a DVS128 (bits 16-30 are set): a recording of "
                                  "another sensor, or damaged",
                                  load_big_endian_u32(record)),
                      file, offset);
  }
};

struct DavisDecoder {
  static constexpr std::size_t kRecordBytes = 8;
  std::uint32_t width = 0, height = 0;
  WrappingClock clock;

  bool decode(const std::uint8_t* records, std::size_t count, events::Event* events,
              std::size_t* num_events) {
    std::int64_t t_us = clock.t_us;
    std::uint32_t previous = clock.previous;
    std::size_t written = 0;
    std::uint32_t outside = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t address = load_big_endian_u32(records + i * kRecordBytes);
      const std::uint32_t raw = load_big_endian_u32(records + i * kRecordBytes + 4);
      t_us += static_cast<std::int32_t>(raw - previous);
      previous = raw;
      const std::uint32_t mirrored = address >> 12 & 0x3ff, y = address >> 22 & 0x1ff;
      const bool is_event = (address & (kSpecialBit | kDavisExternalBit)) == 0;
      outside |= std::uint32_t{is_event} & is_outside(mirrored, y, width, height);
      events::Event& event = events[written];
      event.t_us = t_us;
      event.x = static_cast<std::uint16_t>(width - 1 - mirrored);
      event.y = static_cast<std::uint16_t>(y);
      event.polarity = static_cast<std::uint8_t>(address >> 11 & 1);
      written += is_event;
    }
    clock = {t_us, previous};
    *num_events = written;
    return outside == 0;
  }

  [[noreturn]] void refuse(const std::uint8_t* record, const std::string& file, std::int64_t offset) const {
    const std::uint32_t address = load_big_endian_u32(record);
    throw FormatError(
        fmt::format("address {:#010x} (column {}, row {}) is outside the sensor of {} x {} pixels: "
                    "damaged, or of another sensor (give its width and height)",
                    address, address >> 12 & 0x3ff, address >> 22 & 0x1ff, width, height),
        file, offset);
  }
};

struct Sensor {
  enum Kind { kUnknown, kDvs128, kDavis } kind = kUnknown;
  int width = 0, height = 0;
};

constexpr Sensor kDavisSizes[] = {{Sensor::kDavis, 128, 128},
                                  {Sensor::kDavis, 208, 192},
                                  {Sensor::kDavis, 240, 180},
                                  {Sensor::kDavis, 346, 260},
                                  {Sensor::kDavis, 640, 480}};

/// The sensor that a header line names, if any.
Sensor sensor_named(std::string line) {
  std::transform(line.begin(), line.end(), line.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  // DAVIS first: an address space like "DAVIS640" is never written for a DVS128.
  for (std::size_t at = line.find("DAVIS"); at != std::string::npos; at = line.find("DAVIS", at + 1)) {
    const int number = std::atoi(line.substr(at + 5, 3).c_str());
    for (const Sensor& sensor : kDavisSizes) {
      if (sensor.width == number) return sensor;
    }
  }
  if (line.find("DVS128") != std::string::npos || line.find("TMPDIFF128") != std::string::npos) {
    return {Sensor::kDvs128, 128, 128};
  }
  return {};
}

/// Collects what the header says about the sensor; an AEChip line counts most, a mention in passing least.
class HeaderSensor {
 public:
  void see(const std::string& line) {
    const int weight = line.find("AEChip") != std::string::npos              ? 3
                       : line.find("HardwareInterface") != std::string::npos ? 2
                                                                             : 1;
    if (weight <= weight_) return;
    // A passing word about a DVS128 is as likely one about a viewer's settings.
    const Sensor sensor = sensor_named(line);
    if (sensor.kind == Sensor::kUnknown || (weight == 1 && sensor.kind == Sensor::kDvs128)) return;
    sensor_ = sensor;
    weight_ = weight;
  }
  const Sensor& sensor() const { return sensor_; }

 private:
  Sensor sensor_;
  int weight_ = 0;
};

Sensor read_header(ByteWindow& window) {
  std::string line;
  if (!next_header_line(window, '#', &line) || line.rfind(kVersionMark, 0) != 0) {
    throw FormatError("not an AEDAT file: its first line is not #!AER-DAT2.0", window.name(), 0);
  }
  const std::string version = line.substr(sizeof(kVersionMark) - 1);
  if (version != kVersion) {
    throw FormatError(fmt::format("AEDAT version '{:.20}': only 2.0 is read here", version), window.name(),
                      sizeof(kVersionMark) - 1);
  }
  HeaderSensor header;
  while (next_header_line(window, '#', &line)) {
    if (line.rfind(kEndOfHeader, 0) == 0) break;
    header.see(line);
  }
  return header.sensor();
}

/// The sensor by the addresses of the records that the window holds.
Sensor sensor_by_addresses(const ByteWindow& window) {
  constexpr std::size_t kLookedAt = 8192;
  const std::size_t count = std::min(window.size() / 8, kLookedAt);
  std::size_t dvs = 0, davis = 0;
  std::uint32_t x = 0, y = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t address = load_big_endian_u32(window.data() + i * 8);
    if ((address & kSpecialBit) != 0) continue;
    if ((address & kDvsForeignBits) == 0) {
      ++dvs;
    } else if ((address & kDavisExternalBit) == 0) {
      ++davis;
      x = std::max(x, address >> 12 & 0x3ff);
      y = std::max(y, address >> 22 & 0x1ff);
    }
  }
  // A DAVIS event has no foreign bits in the first rows and columns only; damage sets them in few of a
  // DVS128.
  if (dvs >= davis) return {Sensor::kDvs128, 128, 128};
  for (const Sensor& sensor : kDavisSizes) {
    if (sensor.width < 240) continue;  // the rare ones are known by their header
    if (x < static_cast<std::uint32_t>(sensor.width) && y < static_cast<std::uint32_t>(sensor.height)) {
      return sensor;
    }
  }
  return {Sensor::kDavis, 1024, 512};
}

bool recognizes(const RecordingStart& start) {
  constexpr char kMark[] = "#!AER-DAT2.0";
  constexpr std::size_t kLength = sizeof(kMark) - 1;
  return start.bytes.size() >= kLength && std::memcmp(start.bytes.data(), kMark, kLength) == 0;
}

std::unique_ptr<EventReader> open(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                  const EventReaderOptions& options) {
  ByteWindow window(std::move(source));
  Sensor sensor = read_header(window);
  if (!window.ensure(8)) {
    throw FormatError("no event follows the header; fetch the file again", window.name(), window.offset());
  }
  if (sensor.kind == Sensor::kUnknown) {
    if (options.width == 128 && options.height == 128) {
      sensor = {Sensor::kDvs128, 128, 128};
    } else {
      window.ensure(kRecordingStartBytes);
      sensor = sensor_by_addresses(window);
    }
  }
  if (sensor.kind == Sensor::kDvs128) {
    return std::make_unique<FixedRecordReader<Dvs128Decoder>>(kName, 128, 128, std::move(window),
                                                              Dvs128Decoder{});
  }
  if (options.width > 0) sensor.width = options.width;
  if (options.height > 0) sensor.height = options.height;
  DavisDecoder decoder;
  decoder.width = static_cast<std::uint32_t>(sensor.width);
  decoder.height = static_cast<std::uint32_t>(sensor.height);
  return std::make_unique<FixedRecordReader<DavisDecoder>>(kName, sensor.width, sensor.height,
                                                           std::move(window), decoder);
}

}  // namespace

EventFormat aedat2_format() { return {"aedat2", kName, recognizes, open}; }

events::EventStream read_aedat2(const std::string& path) { return read_events(path, {"aedat2", 128, 128}); }

}  // namespace spikeloom::formats
