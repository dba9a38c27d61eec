#pragma once
#include "spikeloom/data/dataset.h"
#include "spikeloom/report/observations.h"

namespace spikeloom::runtime {

/// A sample [num_steps, H, W, C] to look at: its steps summed, sides above 64 pixels reduced by a whole
/// factor (the mean), values scaled to 0 .. 255.
report::Picture picture_of(const data::SampleShape& shape, const float* sample);

}  // namespace spikeloom::runtime
