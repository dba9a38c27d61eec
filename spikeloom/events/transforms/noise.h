#pragma once
#include <cstdint>

#include "spikeloom/base/random.h"
#include "spikeloom/events/event.h"

namespace spikeloom::events {

/// Adds exactly `count` events at random pixels of the sensor, with random polarities, at times between the
/// first and the last event, both included. The recording must be sorted by time and stays so; behind an
/// event of the same time. A recording without events stays empty. Throws ConfigError unless count is 0 to
/// 2^32; ShapeError if a side of the sensor is below 1 or above 65536. Source: tonic.transforms.UniformNoise.
void add_uniform_noise(EventStream& stream, std::int64_t count, RandomStream& random);

}  // namespace spikeloom::events
