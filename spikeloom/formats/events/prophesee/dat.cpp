#include "spikeloom/formats/events/prophesee/dat.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/prophesee/prophesee_header.h"
#include "spikeloom/formats/events/records/fixed_record_reader.h"
#include "spikeloom/formats/events/records/sensor_bounds.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kDatName = "DAT";
constexpr std::size_t kDatEventBytes = 8;

template <int x_bits, int y_bits>
struct DatDecoder {
  static constexpr std::size_t kRecordBytes = kDatEventBytes;
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
      const std::uint32_t raw = load_little_endian_u32(records + i * kDatEventBytes);
      const std::uint32_t address = load_little_endian_u32(records + i * kDatEventBytes + 4);
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
        fmt::format("an event at x = {}, y = {} is outside the sensor of {} x {} pixels: damaged, or "
                    "of another version (--format dat-v1, dat-v2; data.format), or a stray event "
                    "(--drop-outside, data.drop_outside leave it out)",
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
  return std::make_unique<FixedRecordReader<Decoder>>(kDatName, width, height, std::move(window), decoder,
                                                      options);
}

/// Whether the first addresses can be of version 2 only: version 1 has no bit above 17, where most events of
/// version 2 have their row and polarity; a flipped bit here and there is no sign of either. Version 2 has no
/// bit above 28.
bool is_surely_version2(ByteWindow& window, int width, int height) {
  constexpr std::size_t kEnough = 16;
  window.ensure(kRecordingStartBytes);
  const std::size_t count = std::min(window.size(), kRecordingStartBytes) / kDatEventBytes;
  std::size_t above_version1 = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t address = load_little_endian_u32(window.data() + i * kDatEventBytes + 4);
    if (address >> 29 != 0) return false;
    const std::uint32_t x = DatV2Decoder::x_of(address), y = DatV2Decoder::y_of(address);
    if (width > 0 && x >= static_cast<std::uint32_t>(width)) return false;
    if (height > 0 && y >= static_cast<std::uint32_t>(height)) return false;
    above_version1 += address >> 18 != 0;
  }
  return count >= kEnough && above_version1 * 2 > count;
}

std::unique_ptr<EventReader> open_version(std::unique_ptr<ByteSource> source,
                                          const EventReaderOptions& options, int version) {
  ByteWindow window(std::move(source));
  PropheseeHeader header = read_prophesee_header(window);
  settle_header(header, options, window.name());
  const int width = header.width, height = header.height;
  if (header.has_lines) {
    if (!window.ensure(2)) {
      throw FormatError("the file ends before the type and size of its events; fetch the file again",
                        window.name(), window.offset());
    }
    const int type = window.data()[0], size = window.data()[1];
    if ((type != 0x00 && type != 0x0c) || size != static_cast<int>(kDatEventBytes)) {
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
    if (version < 0 && is_surely_version2(window, width, height)) version = 2;
    if (version < 0 && window.size() > 0) {
      throw FormatError(
          "the header has no line '% Version', and the addresses do not settle it: give the version, "
          "--format dat-v1 or dat-v2 (data.format)",
          window.name(), 0);
    }
  } else if (version < 0) {
    throw FormatError(
        "this file has no header, so its version must be given: --format dat-v1 or dat-v2 "
        "(data.format)",
        window.name(), 0);
  }
  if (version < 2) return make_reader<DatV1Decoder>(std::move(window), width, height, options);
  return make_reader<DatV2Decoder>(std::move(window), width, height, options);
}

template <int version>
std::unique_ptr<EventReader> open_dat(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                      const EventReaderOptions& options) {
  return open_version(std::move(source), options, version);
}

bool recognizes_dat(const RecordingStart& start) {
  return peek_prophesee_header(start).format == PropheseeFormat::kDat;
}

}  // namespace

EventFormat dat_format() { return {"dat", kDatName, recognizes_dat, open_dat<-1>}; }
EventFormat dat_v1_format() { return {"dat-v1", "DAT version 1", never_recognized, open_dat<1>}; }
EventFormat dat_v2_format() { return {"dat-v2", "DAT version 2", never_recognized, open_dat<2>}; }

}  // namespace spikeloom::formats
