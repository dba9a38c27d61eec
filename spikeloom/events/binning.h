#pragma once
// Recordings to frames: events are sorted into time steps, pixels and polarities and counted.
#include <cstdint>

#include "spikeloom/events/event.h"

namespace spikeloom::events {

/// How a recording becomes num_steps frames.
struct Binning {
  /// Where one step ends and the next begins. Time starts at the earliest event of the recording, unless
  /// from_zero is set.
  enum Slicing {
    kWindow,      ///< window_us each; what lies behind num_steps windows is not used (Wu et al. 2019)
    kEqualTime,   ///< num_steps slices of equal duration, from the earliest event to the latest
    kEqualCount,  ///< num_steps slices of equal event count (off by one), in the order of the recording
    kCount,       ///< events_per_step events each; what lies behind num_steps of them is not used
  };
  int num_steps = 1;  ///< > 0
  Slicing slicing = kWindow;
  std::int64_t window_us = 5000;  ///< > 0, used by kWindow only
  std::int64_t overlap_us = 0;  ///< 0 .. window_us - 1, kWindow only: how much of a step the next one has too
  /// kWindow only: time starts at 0 of the recording's clock; what lies before it is not used.
  bool from_zero = false;
  std::int64_t events_per_step = 1000;  ///< > 0, used by kCount only
  std::int64_t overlap_events = 0;      ///< 0 .. events_per_step - 1, kCount only
  bool binary = false;                  ///< 1 where there was any event, instead of the count
  int downsample = 1;  ///< whole factor > 0: pixel (x, y) goes to (x / downsample, y / downsample)
  bool stride_downsampling = false;  ///< only pixels whose x and y are multiples of downsample are used
  int shift_x = 0, shift_y = 0;      ///< added to the output pixel; what leaves the frame is dropped
};

/// Columns of a frame: width / downsample, rounded down (128 / 3 = 42: the last two columns are dropped). The
/// same function gives the rows. Throws ConfigError unless downsample > 0, ShapeError if width < 0.
int binned_width(int width, const Binning& binning);

/// Counts the events of a recording into frames.
/// frames: written whole, uint8 [num_steps, binned_width(height), binned_width(width), 2], the last index is
/// the polarity; counts stop at 255. A recording without events gives zeros. Throws ConfigError for a Binning
/// outside the ranges given there; ShapeError for an event outside the sensor or with a polarity above 1
/// (frames are then as they were). Deterministic; thread-safe for different frames. Source: Wu et al. 2019,
/// section "Datasets" (5 ms windows, 128x128 reduced to 42x42). As tonic.transforms.ToFrame, whose number of
/// frames follows from the recording: kWindow = time_window and overlap, kCount = event_count and overlap,
/// kEqualTime = n_time_bins and kEqualCount = n_event_bins without the overlap (there an overlap makes the
/// bins larger, and the last event is in none).
void bin_events(const EventStream& stream, const Binning& binning, std::uint8_t* frames);

}  // namespace spikeloom::events
