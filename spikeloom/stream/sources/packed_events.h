#pragma once
// The packed form of live events, through pipes and in datagrams; docs/stream.md has the tables. Records of
// 16 bytes, little-endian: t_us int64, x uint16, y uint16, polarity uint8 (0 or 1), three bytes 0.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"
#include "spikeloom/stream/sources/event_decoder.h"

namespace spikeloom::stream {

constexpr std::size_t kPackedEventBytes = 16, kPackedHeaderBytes = 16, kDatagramHeaderBytes = 16;
constexpr std::size_t kMostDatagramEvents = 4093;  ///< what a datagram of 65,507 bytes holds
constexpr char kPackedMagic[] = "SPKEVT1\n";       ///< 8 bytes, then width uint16, height uint16, 4 bytes 0
constexpr char kDatagramMagic[] =
    "SPKU";  ///< 4 bytes, then 1, 0, count uint16, number of the datagram uint64

/// Appends the header of a stream; 0 x 0: the sensor is not said.
void append_packed_header(events::SensorSize sensor, std::vector<std::uint8_t>& bytes);
/// Appends a record each.
void append_packed(Span<const events::Event> events, std::vector<std::uint8_t>& bytes);
/// A whole datagram; at most kMostDatagramEvents events.
std::vector<std::uint8_t> packed_datagram(std::uint64_t number, Span<const events::Event> events);

/// Decodes a packed stream that comes in pieces of any size.
class PackedDecoder : public EventDecoder {
 public:
  /// name: of the stream, for errors.
  explicit PackedDecoder(std::string name) : name_(std::move(name)) {}
  void feed(Span<const std::uint8_t> bytes, std::vector<events::Event>& events) override;
  void finish(std::vector<events::Event>& events) override;
  std::optional<events::SensorSize> sensor() const override { return sensor_; }

 private:
  void take_header(const std::uint8_t* header);
  void take_record(const std::uint8_t* record, std::vector<events::Event>& events);

  std::string name_;
  std::vector<std::uint8_t> held_;  ///< of a header or record that is not yet whole
  std::int64_t position_ = 0;       ///< bytes that were decoded
  std::optional<events::SensorSize> sensor_;
};

struct Datagram {
  std::uint64_t number = 0;
  std::vector<events::Event> events;
};
/// False unless the bytes are a whole datagram: magic, version, length and every record.
bool decode_datagram(Span<const std::uint8_t> bytes, Datagram& datagram);

}  // namespace spikeloom::stream
