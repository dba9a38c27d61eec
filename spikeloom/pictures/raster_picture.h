#pragma once
#include <cstdint>

#include "spikeloom/base/span.h"
#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::pictures {

/// The spikes of a layer over time as a picture: a column a step, a row a neuron, blue where it fired, on
/// white. Of the neurons that fired up to 48, evenly spaced in memory order; rows that are left over stay
/// empty, so that pictures of one layer have one size. Up to 512 steps, the first ones; no text.
/// spikes: [steps, neurons], not 0 where there is a spike. Throws ShapeError unless both are at least 1 and
/// `spikes` is a multiple of `steps` long.
formats::Image raster_picture(Span<const float> spikes, std::int64_t steps);

}  // namespace spikeloom::pictures
