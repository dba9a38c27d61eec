#pragma once
#include <cstdint>

#include "spikeloom/events/event.h"

namespace spikeloom::events {

// Moves of the picture. In place, times and order stay, the size of the sensor stays. Each throws ShapeError,
// with the recording as it was, for an event outside the sensor.

/// x becomes (x + right) mod width, y (y + down) mod height: what leaves at one edge comes in at the other. A
/// roll by the whole width or height changes nothing. Source: Li et al., "Neuromorphic data augmentation for
/// training spiking neural networks", ECCV 2022 (rolling). tonic has none.
void roll(EventStream& stream, std::int64_t right, std::int64_t down);

/// x becomes x + right, y y + down; what leaves the sensor is dropped. tonic has none.
void shift(EventStream& stream, std::int64_t right, std::int64_t down);

/// Turns about the middle of the sensor by `degrees`, clockwise as the picture is shown (x to the right, y
/// down); each event goes to the nearest pixel, what leaves the sensor is dropped. Multiples of 90 degrees
/// are exact. Throws ConfigError if degrees is not finite. Source: Li et al. 2022 (rotation). tonic has none.
void rotate(EventStream& stream, double degrees);

/// x becomes x + shear_x * (y - middle row), y becomes y + shear_y * (x - middle column), both from the old
/// place, rounded to the nearest pixel; what leaves the sensor is dropped. Throws ConfigError if a shear is
/// not finite. Source: Li et al. 2022 (shear, of x only there). tonic has none.
void shear(EventStream& stream, double shear_x, double shear_y);

}  // namespace spikeloom::events
