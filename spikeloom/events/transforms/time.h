#pragma once
#include <cstdint>

#include "spikeloom/events/event.h"

namespace spikeloom::events {

// Transforms of time. In place; each keeps times sorted that are sorted. Those that compute new times throw
// DataError, with the recording as it was, where one would not fit 64 bits.

/// t becomes round(t * coefficient + offset_us), halves away from zero. coefficient >= 0, finite, or
/// ConfigError. offset 0 scales time. Source: tonic.transforms.TimeSkew and, for the offset 0, time_factor of
/// tonic.transforms.Downsample (there the result is cut to an integer, not rounded).
void skew_time(EventStream& stream, double coefficient, double offset_us);

/// The earliest event gets time 0. Source: tonic.transforms.TimeAlignment.
void align_time(EventStream& stream);

/// t becomes latest time - t and the order is reversed, so the recording runs backwards from time 0. A pixel
/// that brightened then darkens: flip_polarity() belongs to it. Twice gives what align_time() gives. Source:
/// tonic.transforms.RandomTimeReversal (its deterministic part).
void reverse_time(EventStream& stream);

/// Keeps the events with first_us <= t <= last_us. Source: tonic.transforms.CropTime.
void crop_time(EventStream& stream, std::int64_t first_us, std::int64_t last_us);

/// Sorts by time; events of equal time keep their order. Costs nothing but a look where they are sorted.
void sort_by_time(EventStream& stream);

}  // namespace spikeloom::events
