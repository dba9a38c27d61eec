#include "spikeloom/events/transforms/crop.h"

#include <fmt/format.h>

#include <cstdint>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/keep.h"

namespace spikeloom::events {
namespace {

/// floor((all - part) / 2), also below zero.
int centred(int all, int part) {
  const std::int64_t rest = std::int64_t{all} - part;
  return static_cast<int>((rest - (rest % 2 < 0 ? 1 : 0)) / 2);
}

}  // namespace

void crop(EventStream& stream, const Box& box) {
  if (box.width < 1 || box.height < 1 || box.width > kMaxSide || box.height > kMaxSide) {
    throw ShapeError(fmt::format("a crop of {} x {} pixels: the sides must be from 1 to {}", box.width,
                                 box.height, kMaxSide));
  }
  std::size_t kept = 0;
  for (const Event& event : stream.events) {
    const std::int64_t x = std::int64_t{event.x} - box.x;
    const std::int64_t y = std::int64_t{event.y} - box.y;
    const bool inside = x >= 0 && x < box.width && y >= 0 && y < box.height;
    stream.events[kept] = {event.t_us, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                           event.polarity};
    kept += inside ? 1 : 0;
  }
  stream.events.resize(kept);
  stream.width = box.width;
  stream.height = box.height;
}

Box centred_box(SensorSize sensor, SensorSize size) {
  return {centred(sensor.width, size.width), centred(sensor.height, size.height), size.width, size.height};
}

Box random_box(SensorSize sensor, SensorSize size, RandomStream& random) {
  if (size.width < 1 || size.height < 1 || size.width > sensor.width || size.height > sensor.height) {
    throw ShapeError(fmt::format("a random crop of {} x {} pixels does not fit into {} x {}", size.width,
                                 size.height, sensor.width, sensor.height));
  }
  const auto x = random.below(static_cast<std::uint32_t>(sensor.width - size.width) + 1);
  const auto y = random.below(static_cast<std::uint32_t>(sensor.height - size.height) + 1);
  return {static_cast<int>(x), static_cast<int>(y), size.width, size.height};
}

}  // namespace spikeloom::events
