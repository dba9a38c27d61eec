#pragma once
#include <cstdint>

#include "spikeloom/base/random.h"
#include "spikeloom/events/transforms/pixel_map.h"

namespace spikeloom::events {

/// 1 at each pixel whose events are to be dropped.
using PixelMask = PixelMap<std::uint8_t>;

/// Drops all events of the pixels that the mask names; a second pass drops nothing. In place, order kept.
/// Throws ShapeError for an event outside the mask's sensor. Source: tonic.transforms.DropPixel
/// (coordinates).
void drop_pixels(EventStream& stream, const PixelMask& mask);

/// The pixels with more than rate_hz events a second, on average from the earliest event of the recording to
/// the latest. None if that is no time at all. Throws ConfigError unless rate_hz > 0 and finite; ShapeError
/// for an event outside the sensor.
PixelMask find_hot_pixels(const EventStream& stream, double rate_hz);

/// find_hot_pixels(), then drop_pixels(). A second pass can drop more only if the first took the recording's
/// first or last event. Source: tonic.transforms.DropPixel (hot_pixel_frequency; drops everything where the
/// recording has no duration).
void drop_hot_pixels(EventStream& stream, double rate_hz);

/// Drops all events of pixels drawn with this probability each. Throws ConfigError unless it is 0 to 1.
/// Source: tonic.transforms.RandomDropPixel.
void drop_random_pixels(EventStream& stream, double probability, RandomStream& random);

/// Keeps every n-th event of each pixel: the n-th, the 2n-th, and so on. Throws ConfigError unless n > 0 and
/// below 2^32; ShapeError for an event outside the sensor. Source: tonic.transforms.Decimation.
void decimate(EventStream& stream, std::int64_t n);

}  // namespace spikeloom::events
