#pragma once
#include <cstdint>
#include <vector>

namespace spikeloom::events {

/// The most columns or rows of a sensor: coordinates have 16 bits.
constexpr int kMaxSide = 1 << 16;

/// One brightness change seen by one pixel of an event camera.
struct Event {
  std::int64_t t_us;      ///< time, microseconds; only differences mean something
  std::uint16_t x, y;     ///< column and row, in [0, width) and [0, height)
  std::uint8_t polarity;  ///< 0 off (darker), 1 on (brighter)
};

/// A recording and the size of the sensor that made it. The events are in the order of the file, which
/// recordings keep sorted by time.
struct EventStream {
  int width = 0, height = 0;
  std::vector<Event> events;
};

}  // namespace spikeloom::events
