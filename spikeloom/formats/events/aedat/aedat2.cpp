#include "spikeloom/formats/events/aedat/aedat2.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/big_endian.h"
#include "spikeloom/formats/events/aedat/aedat2_chips.h"
#include "spikeloom/formats/events/records/fixed_record_reader.h"
#include "spikeloom/formats/events/records/sensor_bounds.h"
#include "spikeloom/formats/events/records/text_header.h"

namespace spikeloom::formats {
namespace {

constexpr const char* kAedat2Name = "AEDAT 2.0";
constexpr const char* kName1 = "AEDAT 1.0";
constexpr std::uint32_t kDvsSize = 128;
constexpr std::uint32_t kSpecialBit = 0x80000000u;
constexpr std::uint32_t kDvsForeignBits = 0x7fff0000u;
constexpr std::uint32_t kDvsTriggerBit = 0x8000u;
constexpr char kAedat2VersionMark[] = "#!AER-DAT";
constexpr char kAedat2EndOfHeader[] = "#End Of ASCII Header";

/// Time that goes on over the wraps of a 32-bit clock.
struct WrappingClock {
  std::int64_t t_us = 0;
  std::uint32_t previous = 0;
};

/// Addresses of 4 bytes (AEDAT 2.0) or 2 (AEDAT 1.0), then 4 bytes of time.
template <std::size_t address_bytes, bool is_smaller>
struct Dvs128Decoder {
  static constexpr std::size_t kRecordBytes = address_bytes + 4;
  std::uint32_t width = kDvsSize,
                height = kDvsSize;  // looked at only where the sensor is_smaller than 128 x 128
  WrappingClock clock;

  static std::uint32_t address_of(const std::uint8_t* record) {
    return address_bytes == 4 ? load_big_endian_u32(record) : std::uint32_t{record[0]} << 8 | record[1];
  }

  bool decode(const std::uint8_t* records, std::size_t count, events::Event* events,
              std::size_t* num_events) {
    std::int64_t t_us = clock.t_us;
    std::uint32_t previous = clock.previous, outside = 0;
    std::size_t written = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t address = address_of(records + i * kRecordBytes);
      const std::uint32_t raw = load_big_endian_u32(records + i * kRecordBytes + address_bytes);
      // The difference of two 32-bit times modulo 2^32, read as signed, is right across a wrap.
      t_us += static_cast<std::int32_t>(raw - previous);
      previous = raw;
      const std::uint32_t x = kDvsSize - 1 - (address >> 1 & 0x7f), y = address >> 8 & 0x7f;
      const bool is_event = (address & (kSpecialBit | kDvsTriggerBit)) == 0;
      if (address_bytes == 4) outside |= (address & kSpecialBit) != 0 ? 0 : address & kDvsForeignBits;
      if (is_smaller) outside |= std::uint32_t{is_event} & is_outside(x, y, width, height);
      events::Event& event = events[written];
      event.t_us = t_us;
      event.x = static_cast<std::uint16_t>(x);
      event.y = static_cast<std::uint16_t>(y);
      event.polarity = static_cast<std::uint8_t>(1 - (address & 1));
      written += is_event;
    }
    clock = {t_us, previous};
    *num_events = written;
    return outside == 0;
  }

  [[noreturn]] void refuse(const std::uint8_t* record, const std::string& file, std::int64_t offset) const {
    const std::uint32_t address = address_of(record);
    if ((address & kDvsForeignBits) == 0) {
      throw FormatError(fmt::format("address {:#06x} is outside the sensor of {} x {} pixels; --drop-outside "
                                    "(data.drop_outside) leaves such events out",
                                    address, width, height),
                        file, offset);
    }
    throw FormatError(
        fmt::format("address {:#010x} is not one of a DVS128 (bits 16-30 are set): a recording of "
                    "another sensor (--chip NAME, data.chip), or damaged",
                    address),
        file, offset);
  }
};

// Where x, y and the polarity are, besides bit 31, which is a special event of any chip. Columns are
// mirrored.
struct DavisAddress {
  static constexpr std::uint32_t kNoEventBits = kSpecialBit | 0x400u;  // external events
  static constexpr std::uint32_t kForeignBits = 0;
  static std::uint32_t column(std::uint32_t address) { return address >> 12 & 0x3ff; }
  static std::uint32_t row(std::uint32_t address) { return address >> 22 & 0x1ff; }
  static std::uint32_t polarity(std::uint32_t address) { return address >> 11 & 1; }
};
struct SecDvsAddress {
  static constexpr std::uint32_t kNoEventBits = kSpecialBit;
  static constexpr std::uint32_t kForeignBits = 0x7ff00000u;
  static std::uint32_t column(std::uint32_t address) { return address >> 1 & 0x3ff; }
  static std::uint32_t row(std::uint32_t address) { return address >> 11 & 0x1ff; }
  static std::uint32_t polarity(std::uint32_t address) { return address & 1; }
};

template <class Address>
struct MirroredDecoder {
  static constexpr std::size_t kRecordBytes = 8;
  std::uint32_t chip_width = 0;         // columns are mirrored by
  std::uint32_t width = 0, height = 0;  // of the sensor, which may be said to be another
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
      // A column beyond the chip's wraps to a number that is outside of every sensor.
      const std::uint32_t x = chip_width - 1 - Address::column(address), y = Address::row(address);
      const bool is_event = (address & Address::kNoEventBits) == 0;
      outside |= std::uint32_t{is_event} &
                 (is_outside(x, y, width, height) | std::uint32_t{(address & Address::kForeignBits) != 0});
      events::Event& event = events[written];
      event.t_us = t_us;
      event.x = static_cast<std::uint16_t>(x);
      event.y = static_cast<std::uint16_t>(y);
      event.polarity = static_cast<std::uint8_t>(Address::polarity(address));
      written += is_event;
    }
    clock = {t_us, previous};
    *num_events = written;
    return outside == 0;
  }

  [[noreturn]] void refuse(const std::uint8_t* record, const std::string& file, std::int64_t offset) const {
    const std::uint32_t address = load_big_endian_u32(record);
    throw FormatError(
        fmt::format(
            "address {:#010x} (column {} of {}, row {}) is outside the sensor of {} x {} pixels: damaged, of "
            "another chip (--chip NAME, data.chip), or a stray event (--drop-outside, data.drop_outside "
            "leave it out)",
            address, Address::column(address), chip_width, Address::row(address), width, height),
        file, offset);
  }
};

/// Takes the header off the window; `version` is what its first line must say.
Aedat2HeaderChip read_header(ByteWindow& window, const std::string& version) {
  std::string line;
  if (!next_header_line(window, '#', &line) || line.rfind(kAedat2VersionMark, 0) != 0) {
    throw FormatError(
        fmt::format("not an AEDAT file: its first line is not {}{}", kAedat2VersionMark, version),
        window.name(), 0);
  }
  const std::string found = line.substr(sizeof(kAedat2VersionMark) - 1);
  if (found != version) {
    throw FormatError(fmt::format("AEDAT version '{:.20}': only {} is read here", found, version),
                      window.name(), sizeof(kAedat2VersionMark) - 1);
  }
  Aedat2HeaderChip chip;
  while (next_header_line(window, '#', &line)) {
    if (line.rfind(kAedat2EndOfHeader, 0) == 0) break;
    chip.see(line);
  }
  return chip;
}

struct Size {
  int width, height;
};

/// The options' size, else the chip's.
Size size_of(const Aedat2Chip& chip, const EventReaderOptions& options) {
  return {options.width > 0 ? options.width : chip.width, options.height > 0 ? options.height : chip.height};
}

template <std::size_t address_bytes>
std::unique_ptr<EventReader> open_dvs128(const char* format, ByteWindow window, Size size,
                                         const EventReaderOptions& options) {
  const auto make = [&](auto decoder) -> std::unique_ptr<EventReader> {
    decoder.width = static_cast<std::uint32_t>(size.width);
    decoder.height = static_cast<std::uint32_t>(size.height);
    return std::make_unique<FixedRecordReader<decltype(decoder)>>(format, size.width, size.height,
                                                                  std::move(window), decoder, options);
  };
  constexpr int kSide = static_cast<int>(kDvsSize);
  if (size.width < kSide || size.height < kSide) return make(Dvs128Decoder<address_bytes, true>{});
  return make(Dvs128Decoder<address_bytes, false>{});
}

template <class Address>
std::unique_ptr<EventReader> open_mirrored(ByteWindow window, int chip_width, Size size,
                                           const EventReaderOptions& options) {
  MirroredDecoder<Address> decoder;
  decoder.chip_width = static_cast<std::uint32_t>(chip_width);
  decoder.width = static_cast<std::uint32_t>(size.width);
  decoder.height = static_cast<std::uint32_t>(size.height);
  return std::make_unique<FixedRecordReader<MirroredDecoder<Address>>>(kAedat2Name, size.width, size.height,
                                                                       std::move(window), decoder, options);
}

bool recording_starts_with(const RecordingStart& start, const char* mark) {
  const std::size_t length = std::strlen(mark);
  return start.bytes.size() >= length && std::memcmp(start.bytes.data(), mark, length) == 0;
}

bool recognizes_aedat2(const RecordingStart& start) { return recording_starts_with(start, "#!AER-DAT2.0"); }
bool recognizes_aedat1(const RecordingStart& start) { return recording_starts_with(start, "#!AER-DAT1.0"); }

std::unique_ptr<EventReader> open_aedat2(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                         const EventReaderOptions& options) {
  ByteWindow window(std::move(source));
  const Aedat2HeaderChip header = read_header(window, "2.0");
  const Aedat2Chip* chip = choose_aedat2_chip(window, header, options);
  if (chip == nullptr) {  // no record: any chip will do, and none gives the size
    return open_dvs128<4>(kAedat2Name, std::move(window), {options.width, options.height}, options);
  }
  const Size size = size_of(*chip, options);
  switch (chip->layout) {
    case AddressLayout::kDvs128:
      return open_dvs128<4>(kAedat2Name, std::move(window), size, options);
    case AddressLayout::kDavis:
      return open_mirrored<DavisAddress>(std::move(window), chip->width, size, options);
    case AddressLayout::kSecDvs:
      break;
  }
  return open_mirrored<SecDvsAddress>(std::move(window), chip->width, size, options);
}

std::unique_ptr<EventReader> open1(std::unique_ptr<ByteSource> source, const RecordingStart&,
                                   const EventReaderOptions& options) {
  ByteWindow window(std::move(source));
  const Aedat2HeaderChip header = read_header(window, "1.0");
  const Aedat2Chip* chip = find_aedat2_chip(options.chip.empty() ? "dvs128" : options.chip);
  if (chip == nullptr || chip->layout != AddressLayout::kDvs128) {
    throw ConfigError(fmt::format("chip '{}': AEDAT 1.0 recordings are read for dvs128 only", options.chip));
  }
  if (options.chip.empty() && !header.contradiction().empty()) {
    throw FormatError(
        fmt::format("the header names two chips, {}: of AEDAT 1.0 only a DVS128 is read; --chip "
                    "dvs128 (data.chip) reads it as one",
                    header.contradiction()),
        window.name(), 0);
  }
  const bool other = header.chip() != nullptr && header.chip() != chip;
  if (options.chip.empty() && (other || !header.unknown_name().empty())) {
    throw FormatError(
        fmt::format("a recording of the chip '{:.80}': of AEDAT 1.0 only a DVS128 is read; --chip dvs128 "
                    "(data.chip) reads it as one",
                    other ? header.chip()->name : header.unknown_name()),
        window.name(), 0);
  }
  return open_dvs128<2>(kName1, std::move(window), size_of(*chip, options), options);
}

}  // namespace

EventFormat aedat2_format() { return {"aedat2", kAedat2Name, recognizes_aedat2, open_aedat2}; }
EventFormat aedat1_format() { return {"aedat1", kName1, recognizes_aedat1, open1}; }

events::EventStream read_aedat2(const std::string& path) {
  EventReaderOptions options;
  options.format = "aedat2";
  options.chip = "dvs128";
  return read_events(path, options);
}

}  // namespace spikeloom::formats
