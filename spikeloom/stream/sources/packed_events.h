#pragma once
// The packed form of live events (formats/events/packed.h), through pipes and in datagrams; docs/stream.md
// has the tables.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"
#include "spikeloom/formats/events/records/packed.h"
#include "spikeloom/stream/sources/event_decoder.h"

namespace spikeloom::stream {

using formats::kPackedEventBytes;
using formats::kPackedHeaderBytes;
using formats::kPackedMagic;
constexpr std::size_t kDatagramHeaderBytes = 16;
constexpr std::size_t kMostDatagramEvents = 4093;  ///< what a datagram of 65,507 bytes holds
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
  /// name: of the stream, for errors. check: called with the sensor, where the header says one, before any
  /// event is decoded; what it throws, feed() throws.
  explicit PackedDecoder(std::string name, std::function<void(int width, int height)> check = {})
      : name_(std::move(name)), check_(std::move(check)) {}
  void feed(Span<const std::uint8_t> bytes, std::vector<events::Event>& events) override;
  void finish(std::vector<events::Event>& events) override;
  std::optional<events::SensorSize> sensor() const override { return sensor_; }

 private:
  void take_header(const std::uint8_t* header);
  void take_record(const std::uint8_t* record, std::vector<events::Event>& events);

  std::string name_;
  std::function<void(int, int)> check_;
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
