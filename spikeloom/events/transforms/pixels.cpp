#include "spikeloom/events/transforms/pixels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/draw.h"
#include "spikeloom/events/transforms/keep.h"

namespace spikeloom::events {

void refuse_outside(const Event& event, SensorSize sensor) {
  throw ShapeError(
      fmt::format("an event at x = {}, y = {} lies outside the sensor of {} x {} pixels; give the size of "
                  "the sensor that recorded it",
                  event.x, event.y, sensor.width, sensor.height));
}

void drop_pixels(EventStream& stream, const PixelMask& mask) {
  for (const Event& event : stream.events) {
    if (!mask.holds(event.x, event.y)) refuse_outside(event, mask.sensor());
  }
  keep_events(stream, [&](const Event& event) { return *mask.at(event.x, event.y) == 0; });
}

PixelMask find_hot_pixels(const EventStream& stream, double rate_hz) {
  if (!(rate_hz > 0.0) || !std::isfinite(rate_hz)) {
    throw ConfigError(fmt::format("must be above 0 and finite, not {}", rate_hz), "", 0, "rate_hz");
  }
  const SensorSize sensor{stream.width, stream.height};
  PixelMask mask(sensor);
  if (stream.events.empty()) return mask;
  PixelMap<std::uint64_t> counts(sensor);
  std::int64_t first_us = stream.events.front().t_us;
  std::int64_t last_us = first_us;
  for (const Event& event : stream.events) {
    if (!counts.holds(event.x, event.y)) refuse_outside(event, sensor);
    ++*counts.at(event.x, event.y);
    first_us = std::min(first_us, event.t_us);
    last_us = std::max(last_us, event.t_us);
  }
  if (first_us == last_us) return mask;
  const double seconds =
      static_cast<double>(static_cast<std::uint64_t>(last_us) - static_cast<std::uint64_t>(first_us)) * 1e-6;
  const double most = rate_hz * seconds;
  for (const Event& event : stream.events) {
    *mask.at(event.x, event.y) = static_cast<double>(*counts.at(event.x, event.y)) > most ? 1 : 0;
  }
  return mask;
}

void drop_hot_pixels(EventStream& stream, double rate_hz) {
  const PixelMask mask = find_hot_pixels(stream, rate_hz);
  drop_pixels(stream, mask);
}

void drop_random_pixels(EventStream& stream, double probability, RandomStream& random) {
  if (!(probability >= 0.0 && probability <= 1.0)) {
    throw ConfigError(fmt::format("must be from 0 to 1, not {}", probability), "", 0, "probability");
  }
  const SensorSize sensor{stream.width, stream.height};
  PixelMask mask(sensor);
  const std::int64_t pixels = checked_pixels(sensor);
  for (std::int64_t i = 0; i < pixels; ++i) {
    const auto x = static_cast<std::uint16_t>(i % sensor.width);
    const auto y = static_cast<std::uint16_t>(i / sensor.width);
    if (uniform_double(random) < probability) *mask.at(x, y) = 1;
  }
  drop_pixels(stream, mask);
}

void decimate(EventStream& stream, std::int64_t n) {
  if (n < 1 || n > 0xFFFFFFFF) {
    throw ConfigError(fmt::format("must be from 1 to 4294967295, not {}", n), "", 0, "n");
  }
  PixelMap<std::uint32_t> counts({stream.width, stream.height});
  for (const Event& event : stream.events) {
    if (!counts.holds(event.x, event.y)) refuse_outside(event, counts.sensor());
  }
  keep_events(stream, [&](const Event& event) {
    std::uint32_t& count = *counts.at(event.x, event.y);
    const bool kept = ++count == static_cast<std::uint32_t>(n);
    if (kept) count = 0;
    return kept;
  });
}

}  // namespace spikeloom::events
