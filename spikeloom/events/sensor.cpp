#include "spikeloom/events/sensor.h"

#include <fmt/format.h>

#include <cstddef>

#include "spikeloom/base/errors.h"

namespace spikeloom::events {

void check_inside(const EventStream& stream) {
  for (std::size_t i = 0; i < stream.events.size(); ++i) {
    const Event& event = stream.events[i];
    if (event.x < stream.width && event.y < stream.height && event.polarity <= 1) continue;
    throw ShapeError(fmt::format(
        "event {} is at x = {}, y = {} with polarity {}, outside the sensor of {} x {} pixels and "
        "2 polarities; "
        "give the size of the sensor that recorded it",
        i, event.x, event.y, event.polarity, stream.width, stream.height));
  }
}

std::int64_t checked_pixels(SensorSize sensor) {
  const std::int64_t pixels = std::int64_t{sensor.width} * sensor.height;
  if (sensor.width >= 1 && sensor.height >= 1 && pixels <= kMaxPixels) return pixels;
  throw ShapeError(
      fmt::format("a sensor of {} x {} pixels: the sides must be at least 1 and the pixels at most {}",
                  sensor.width, sensor.height, kMaxPixels));
}

}  // namespace spikeloom::events
