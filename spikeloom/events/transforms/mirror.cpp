#include "spikeloom/events/transforms/mirror.h"

#include <cstdint>

#include "spikeloom/events/sensor.h"

namespace spikeloom::events {

void flip_left_right(EventStream& stream) {
  check_inside(stream);
  const int last = stream.width - 1;
  for (Event& event : stream.events) event.x = static_cast<std::uint16_t>(last - event.x);
}

void flip_up_down(EventStream& stream) {
  check_inside(stream);
  const int last = stream.height - 1;
  for (Event& event : stream.events) event.y = static_cast<std::uint16_t>(last - event.y);
}

void flip_polarity(EventStream& stream) {
  for (Event& event : stream.events) event.polarity = event.polarity == 0 ? 1 : 0;
}

void merge_polarities(EventStream& stream) {
  for (Event& event : stream.events) event.polarity = 0;
}

}  // namespace spikeloom::events
