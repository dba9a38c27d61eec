#pragma once
#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"

namespace spikeloom::events {

/// Makes the sensor smaller by a whole factor, event by event: pixel (x, y) goes to (x / factor, y / factor).
/// The new sides are the old divided by the factor, rounded down (128 / 3 = 42); events of what is left over
/// are dropped. What Binning::downsample does to frames. Throws ConfigError unless factor > 0; ShapeError for
/// an event outside the sensor, or if a side would be 0. In place, order kept.
void downsample_pool(EventStream& stream, int factor);

/// The same, but only events of pixels whose x and y are multiples of the factor are kept.
void downsample_stride(EventStream& stream, int factor);

/// Moves pixel (x, y) to (x * size.width / width, y * size.height / height), rounded down; no event is
/// dropped; sides may grow. Throws ShapeError unless the new sides are in 1..65536, or for an event outside
/// the sensor. Source: tonic.transforms.Downsample with target_size (in whole numbers here, so that no
/// rounding of a factor moves an event).
void resize(EventStream& stream, SensorSize size);

}  // namespace spikeloom::events
