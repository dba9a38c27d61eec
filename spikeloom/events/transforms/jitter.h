#pragma once
#include "spikeloom/base/random.h"
#include "spikeloom/events/event.h"

namespace spikeloom::events {

/// Adds to each event's time a normal deviate of standard deviation std_us, rounded to the microsecond, and
/// sorts by time again (equal times in the old order). drop_negative: events that this moves from time 0 or
/// later to before time 0 are dropped. Throws ConfigError unless std_us is at least 0 and at most 1e12.
/// Source: tonic.transforms.TimeJitter; there sorting is optional and the result is cut, not rounded.
void jitter_time(EventStream& stream, double std_us, bool drop_negative, RandomStream& random);

/// Covariance of a spatial jitter, in square pixels.
struct JitterCovariance {
  double var_x = 1.0;     ///< >= 0
  double var_y = 1.0;     ///< >= 0
  double sigma_xy = 0.0;  ///< at most sqrt(var_x * var_y) either way
};

/// Adds to each event's place a normal deviate of this covariance, rounded to the nearest pixel; what leaves
/// the sensor is dropped. Throws ConfigError for what is no covariance, ShapeError for an event outside the
/// sensor (the recording is then as it was). Source: tonic.transforms.SpatialJitter with clip_outliers = True
/// (without it, events of tonic lie outside the sensor; there the result is cut, not rounded, which moves the
/// picture up and left by half a pixel).
void jitter_place(EventStream& stream, const JitterCovariance& covariance, RandomStream& random);

}  // namespace spikeloom::events
