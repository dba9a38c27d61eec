#pragma once
// What the tests of event formats share: recordings made up, and decoding of bytes in pieces of any size.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/events/event.h"
#include "spikeloom/formats/events/event_reader.h"
#include "tests/formats/support.h"

namespace spikeloom::events {
/// So that vectors of events compare and print.
inline bool operator==(const Event& a, const Event& b) {
  return a.t_us == b.t_us && a.x == b.x && a.y == b.y && a.polarity == b.polarity;
}
std::ostream& operator<<(std::ostream& stream, const Event& event);
}  // namespace spikeloom::events

namespace spikeloom::formats::testing {

using Events = std::vector<events::Event>;

/// What a reader gives, and what ended it.
struct Decoded {
  std::string format;
  int width = 0, height = 0;
  Events events;
  std::int64_t error_offset = -2;  ///< byte of the FormatError, -2 if there was none
  std::string error;
  std::int64_t dropped = 0, unread = 0;  ///< dropped_events() and unread_bytes() at the end
  std::vector<std::string> cameras;
};

/// Decodes bytes in memory, asking for `capacity` events at a time.
Decoded decode(const Bytes& bytes, const EventReaderOptions& options = {}, std::size_t capacity = 1000);

/// Asks for another number of events each time.
Decoded decode_unevenly(const Bytes& bytes, const EventReaderOptions& options);

/// A recording as bytes of a format.
Bytes encoded(const std::string& format, int width, int height, const Events& events);

/// `count` events in order of time, in rows and columns that often go on, inside width x height.
Events made_up_events(std::uint64_t seed, std::size_t count, int width, int height, std::int64_t t_first_us,
                      std::uint32_t longest_pause_us);

/// Little-endian words.
Bytes words16(const std::vector<std::uint32_t>& words);
Bytes words32(const std::vector<std::uint32_t>& words);

}  // namespace spikeloom::formats::testing
