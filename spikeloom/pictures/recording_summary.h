#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/events/event.h"

namespace spikeloom::pictures {

/// What a recording holds, in numbers.
struct RecordingSummary {
  int width = 0, height = 0;  ///< pixels of the sensor
  std::int64_t events = 0, on = 0;
  std::int64_t t_first_us = 0;
  double duration_us = 0.0;  ///< from the earliest event to the latest
  /// Events of each polarity in slices of equal time.
  std::vector<std::int64_t> on_counts, off_counts;
  std::int64_t active_pixels = 0;  ///< with any event
  double mean_count = 0.0;         ///< events of an active pixel
  /// Hot: more events than the mean of active pixels and five standard deviations.
  std::int64_t hot_pixels = 0;
  double hot_above = 0.0;       ///< that limit, events
  std::int64_t hot_events = 0;  ///< events of hot pixels
  struct Pixel {
    int x = 0, y = 0;
    std::int64_t events = 0;
  };
  std::vector<Pixel> most_active;  ///< up to eight, most events first

  std::int64_t off() const { return events - on; }
  /// 0 where all events have one time.
  double events_per_s() const {
    return duration_us > 0.0 ? 1e6 * static_cast<double>(events) / duration_us : 0.0;
  }
};

/// Memory: 4 bytes an event. `slices` > 0.
RecordingSummary summarise(const events::EventStream& stream, int slices = 60);

}  // namespace spikeloom::pictures
