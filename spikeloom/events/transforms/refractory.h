#pragma once
#include <cstddef>
#include <cstdint>

#include "spikeloom/events/transforms/pixel_map.h"

namespace spikeloom::events {

struct RefractoryPeriod {
  std::int64_t period_us = 1000;  ///< >= 0
  /// From which event the period runs. true: the last of the pixel, dropped or not, so that a pixel that
  /// never rests stays silent (tonic). false: the last that was kept, as in the pixel of a real sensor.
  bool from_dropped = true;
};

/// Drops an event that comes period_us or less after another of the same pixel, of any polarity: events kept
/// of one pixel are more than period_us apart. A pixel's first event is kept. A second pass drops nothing.
/// Fed a piece at a time, it remembers each pixel's last time. Source: tonic.transforms.RefractoryPeriod
/// (which drops a first event at time 0).
class RefractoryFilter {
 public:
  /// Throws ConfigError for a negative period, ShapeError for a sensor without pixels or above kMaxPixels.
  RefractoryFilter(SensorSize sensor, const RefractoryPeriod& settings);
  /// Filters the next `count` events in place; returns how many are left, in front. Throws ShapeError for an
  /// event outside the sensor; what is in `events` is then of no use.
  std::size_t apply(Event* events, std::size_t count);

 private:
  RefractoryPeriod settings_;
  PixelMap<std::uint64_t> last_;
};

/// The filter on a whole recording.
void drop_refractory(EventStream& stream, const RefractoryPeriod& settings);

}  // namespace spikeloom::events
