#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"

namespace spikeloom::stream {

/// Events from bytes that come in pieces.
class EventDecoder {
 public:
  virtual ~EventDecoder() = default;
  /// Appends the events that are whole with these bytes. Throws FormatError, with the place in the stream, at
  /// the first that is damaged; `events` then holds those before it.
  virtual void feed(Span<const std::uint8_t> bytes, std::vector<events::Event>& events) = 0;
  /// The stream has ended. Throws FormatError in the middle of an event.
  virtual void finish(std::vector<events::Event>& events) = 0;
  /// The sensor, once the stream has said it.
  virtual std::optional<events::SensorSize> sensor() const { return std::nullopt; }
};

}  // namespace spikeloom::stream
