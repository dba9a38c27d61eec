#include "spikeloom/stream/sources/packed_events.h"

#include <algorithm>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::stream {
namespace {

using formats::load_little_endian_u16;
using formats::load_little_endian_u64;

template <class Number>
void append(Number number, std::vector<std::uint8_t>& bytes) {
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    bytes.push_back(static_cast<std::uint8_t>(number >> 8 * i));
}

/// What is wrong with a record, or null.
const char* fault_of(const std::uint8_t* record) {
  if (record[12] > 1) return "its polarity is neither 0 nor 1";
  if ((record[13] | record[14] | record[15]) != 0) return "its last three bytes are not 0";
  return nullptr;
}

events::Event event_of(const std::uint8_t* record) {
  return {static_cast<std::int64_t>(load_little_endian_u64(record)), load_little_endian_u16(record + 8),
          load_little_endian_u16(record + 10), record[12]};
}

}  // namespace

void append_packed_header(events::SensorSize sensor, std::vector<std::uint8_t>& bytes) {
  bytes.insert(bytes.end(), kPackedMagic, kPackedMagic + 8);
  append(static_cast<std::uint16_t>(sensor.width), bytes);
  append(static_cast<std::uint16_t>(sensor.height), bytes);
  append(std::uint32_t{0}, bytes);
}

void append_packed(Span<const events::Event> events, std::vector<std::uint8_t>& bytes) {
  for (const events::Event& event : events) {
    append(static_cast<std::uint64_t>(event.t_us), bytes);
    append(event.x, bytes);
    append(event.y, bytes);
    append(std::uint32_t{event.polarity}, bytes);
  }
}

std::vector<std::uint8_t> packed_datagram(std::uint64_t number, Span<const events::Event> events) {
  std::vector<std::uint8_t> bytes(kDatagramMagic, kDatagramMagic + 4);
  bytes.push_back(1);
  bytes.push_back(0);
  append(static_cast<std::uint16_t>(events.size()), bytes);
  append(number, bytes);
  append_packed(events, bytes);
  return bytes;
}

void PackedDecoder::take_header(const std::uint8_t* header) {
  if (std::memcmp(header, kPackedMagic, 8) != 0) {
    throw FormatError("is no packed stream: it does not begin with SPKEVT1 and a line end (docs/stream.md)",
                      name_, 0);
  }
  if (formats::load_little_endian_u32(header + 12) != 0) {
    throw FormatError("the last four bytes of the header are not 0", name_, 12);
  }
  sensor_ = {load_little_endian_u16(header + 8), load_little_endian_u16(header + 10)};
  position_ = kPackedHeaderBytes;
}

void PackedDecoder::take_record(const std::uint8_t* record, std::vector<events::Event>& events) {
  if (const char* fault = fault_of(record)) {
    throw FormatError("an event of the packed stream is damaged: " + std::string(fault), name_, position_);
  }
  events.push_back(event_of(record));
  position_ += kPackedEventBytes;
}

void PackedDecoder::feed(Span<const std::uint8_t> bytes, std::vector<events::Event>& events) {
  static_assert(kPackedHeaderBytes == kPackedEventBytes, "held_ is either");
  const auto take = [&](const std::uint8_t* piece) {
    if (sensor_) {
      take_record(piece, events);
    } else {
      take_header(piece);
    }
  };
  std::size_t done = 0;
  if (!held_.empty()) {
    done = std::min(kPackedEventBytes - held_.size(), bytes.size());
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + done);
    if (held_.size() < kPackedEventBytes) return;
    take(held_.data());
    held_.clear();
  }
  for (; bytes.size() - done >= kPackedEventBytes; done += kPackedEventBytes) take(bytes.data() + done);
  held_.assign(bytes.begin() + done, bytes.end());
}

void PackedDecoder::finish(std::vector<events::Event>&) {
  if (held_.empty()) return;
  throw FormatError("the packed stream ends in the middle of " +
                        std::string(sensor_ ? "an event" : "its header") + ": " +
                        std::to_string(held_.size()) + " bytes are left",
                    name_, position_);
}

bool decode_datagram(Span<const std::uint8_t> bytes, Datagram& datagram) {
  datagram.events.clear();
  if (bytes.size() < kDatagramHeaderBytes || std::memcmp(bytes.data(), kDatagramMagic, 4) != 0) return false;
  if (bytes[4] != 1 || bytes[5] != 0) return false;
  const std::size_t count = load_little_endian_u16(bytes.data() + 6);
  if (bytes.size() != kDatagramHeaderBytes + count * kPackedEventBytes) return false;
  const std::uint8_t* const records = bytes.data() + kDatagramHeaderBytes;
  for (std::size_t i = 0; i < count; ++i) {
    if (fault_of(records + i * kPackedEventBytes) != nullptr) return false;
  }
  datagram.number = load_little_endian_u64(bytes.data() + 8);
  for (std::size_t i = 0; i < count; ++i)
    datagram.events.push_back(event_of(records + i * kPackedEventBytes));
  return true;
}

}  // namespace spikeloom::stream
