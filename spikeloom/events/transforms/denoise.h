#pragma once
#include <cstddef>
#include <cstdint>

#include "spikeloom/events/transforms/pixel_map.h"

namespace spikeloom::events {

/// Background-activity filter: drops an event unless one of the four pixels beside it (left, right, above,
/// below) had an event, of any polarity and dropped itself or not, less than filter_us before. A second pass
/// may drop more: support may have come from an event that was dropped. Fed a piece at a time, it remembers
/// each pixel's last time. Source: Delbruck, "Frame-free dynamic digital vision" (2008);
/// tonic.transforms.Denoise, which keeps what lies before time filter_us unseen.
class BackgroundFilter {
 public:
  /// Throws ConfigError unless filter_us >= 1, ShapeError for a sensor without pixels or above kMaxPixels.
  BackgroundFilter(SensorSize sensor, std::int64_t filter_us);
  /// Filters the next `count` events in place; returns how many are left, in front. Throws ShapeError for an
  /// event outside the sensor; what is in `events` is then of no use.
  std::size_t apply(Event* events, std::size_t count);

 private:
  std::uint64_t filter_us_;
  PixelMap<std::uint64_t> last_;
};

/// The filter on a whole recording.
void drop_background(EventStream& stream, std::int64_t filter_us);

}  // namespace spikeloom::events
