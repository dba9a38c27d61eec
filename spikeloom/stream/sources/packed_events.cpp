#include "spikeloom/stream/sources/packed_events.h"

#include <algorithm>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/writing/event_encoder.h"
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

}  // namespace

void append_packed_header(events::SensorSize sensor, std::vector<std::uint8_t>& bytes) {
  const auto header = formats::make_event_encoder("packed", sensor.width, sensor.height)->header(0);
  bytes.insert(bytes.end(), header.begin(), header.end());
}

void append_packed(Span<const events::Event> events, std::vector<std::uint8_t>& bytes) {
  formats::make_event_encoder("packed", 0, 0)->encode(events.data(), events.size(), bytes);
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
  sensor_ = formats::packed_sensor(header, name_);
  position_ = kPackedHeaderBytes;
  if (check_ && sensor_->width > 0 && sensor_->height > 0) check_(sensor_->width, sensor_->height);
}

void PackedDecoder::take_record(const std::uint8_t* record, std::vector<events::Event>& events) {
  if (const char* fault = formats::packed_fault(record)) {
    throw FormatError("an event of the packed stream is damaged: " + std::string(fault), name_, position_);
  }
  events.push_back(formats::packed_event(record));
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
    if (formats::packed_fault(records + i * kPackedEventBytes) != nullptr) return false;
  }
  datagram.number = load_little_endian_u64(bytes.data() + 8);
  for (std::size_t i = 0; i < count; ++i)
    datagram.events.push_back(formats::packed_event(records + i * kPackedEventBytes));
  return true;
}

}  // namespace spikeloom::stream
