#include "spikeloom/formats/events/dat.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/fixed_record_reader.h"
#include "spikeloom/formats/events/prophesee_header.h"
#include "spikeloom/formats/events/sensor_bounds.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kName = "DAT";
constexpr std::size_t kEventBytes = 8;

template <int x_bits, int y_bits>
struct DatDecoder {
  static constexpr std::size_t kRecordBytes = kEventBytes;
  static constexpr std::uint32_t kXMask = (1u << x_bits) - 1, kYMask = (1u << y_bits) - 1;
  std::uint32_t width = 0, height = 0;
  std::int64_t t_us = 0;
  std::uint32_t previous = 0;
  bool started = false;

  static std::uint32_t x_of(std::uint32_t address) { return address & kXMask; }
  static std::uint32_t y_of(std::uint32_t address) { return address >> x_bits & kYMask; }

  bool decode(const std::uint8_t* records, std::size_t count, events::Event* events,
              std::size_t* num_events) {
    if (!started && count > 0) {
      previous = load_little_endian_u32(records);
      t_us = previous;
      started = true;
    }
    std::int64_t time = t_us;
    std::uint32_t last = previous;
    std::uint32_t outside = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t raw = load_little_endian_u32(records + i * kEventBytes);
      const std::uint32_t address = load_little_endian_u32(records + i * kEventBytes + 4);
      // The difference of two 32-bit times modulo 2^32, read as signed, is right across a wrap.
      time += static_cast<std::int32_t>(raw - last);
      last = raw;
      outside |= is_outside(x_of(address), y_of(address), width, height);
      events[i].t_us = time;
      events[i].x = static_cast<std::uint16_t>(x_of(address));
      events[i].y = static_cast<std::uint16_t>(y_of(address));
      events[i].polarity = static_cast<std::uint8_t>(address >> (x_bits + y_bits) & 1);
    }
    t_us = time;
    previous = last;
    *num_events = count;
    return outside == 0;
  }

  [[noreturn]] void refuse(const std::uint8_t* record, const std::string& file, std::int64_t offset) const {
    const std::uint32_t address = load_little_endian_u32(record + 4);
    throw FormatError(
        fmt::format(
            "an event at x = {}, y = {} is outside the sensor of {} x {} pixels: damaged, or "
            "of another version (--format dat-v1, dat-v2), or a stray event (--drop-outside leaves it out)",
            x_of(address), y_of(address), width, height),
        file, offset);
  }
};

using DatV1Decoder = DatDecoder<9, 8>;
using DatV2Decoder = DatDecoder<14, 14>;

template <class Decoder>
std::unique_ptr<EventReader> make_reader(ByteWindow window, int width, int height,
                                         const EventReaderOptions& options) {
  Decoder decoder;
  decoder.width = width > 0 ? static_cast<std::uint32_t>(width) : 1u << 16;
  decoder.height = height > 0 ? static_cast<std::uint32_t>(height) : 1u << 16;
  return std::make_unique<FixedRecordReader<Decoder>>(kName, width, height, std::move(window), decoder,
                                                      options);
}

bool any_address_above_v1(ByteWindow& window) {
  window.ensure(kRecordingStartBytes);
  const std::size_t count = std::min(window.size(), kRecordingStartBytes) / kEventBytes;
  for (std::size_t i = 0; i < count; ++i) {
    if (load_little_endian_u32(window.data() + i * kEventBytes + 4) >> 18 != 0) return true;
  }
  return false;
}

std::unique_ptr<EventReader> open_version(std::unique_ptr<ByteSource> source,
                                          const EventReaderOptions& options, int version) {
  ByteWindow window(std::move(source));
  const PropheseeHeader header = read_prophesee_header(window);
  if (header.has_lines) {
    if (!window.ensure(2)) {
      throw FormatError("the file ends before the type and size of its events; fetch the file again",
                        window.name(), window.offset());
    }
    const int type = window.data()[0], size = window.data()[1];
    if ((type != 0x00 && type != 0x0c) || size != static_cast<int>(kEventBytes)) {
      throw FormatError(
          fmt::format("events of type {:#04x} and {} bytes: only brightness changes (type 0x00 or "
                      "0x0c, 8 bytes) are read",
                      type, size),
          window.name(), window.offset());
    }
    window.consume(2);
    if (version < 0) version = header.dat_version;
    if (version > 2) {
      throw FormatError(fmt::format("DAT version {}: only versions up to 2 are read", version), window.name(),
                        0);
    }
    if (version < 0 && any_address_above_v1(window)) version = 2;
    if (version < 0 && window.size() > 0) {
      throw FormatError(
          "the header has no line '% Version', and no address reveals it: give the version, --format dat-v1 "
          "or "
          "dat-v2",
          window.name(), 0);
    }
  } else if (version < 0) {
    throw FormatError("this file has no header, so its version must be given: --format dat-v1 or dat-v2",
                      window.name(), 0);
  }
  const int width = options.width > 0 ? options.width : header.width;
  const int height = options.height > 0 ? options.height : header.height;
  if (version < 2) return make_reader<DatV1Decoder>(std::move(window), width, height, options);
  return make_reader<DatV2Decoder>(std::move(window), width, height, options);
}

template <int version>
std::unique_ptr<EventReader> open(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                  const EventReaderOptions& options) {
  return open_version(std::move(source), options, version);
}

bool recognizes(const RecordingStart& start) {
  return peek_prophesee_header(start).format == PropheseeFormat::kDat;
}

}  // namespace

EventFormat dat_format() { return {"dat", kName, recognizes, open<-1>}; }
EventFormat dat_v1_format() { return {"dat-v1", "DAT version 1", never_recognized, open<1>}; }
EventFormat dat_v2_format() { return {"dat-v2", "DAT version 2", never_recognized, open<2>}; }

}  // namespace spikeloom::formats
