#pragma once
#include <cstdint>

#include "spikeloom/formats/events/hdf5_file.h"

namespace spikeloom::formats {

/// Seconds in whole microseconds: cut, unless they lie less than 1/1000 us below the next. Refuses what is no
/// number or beyond 10^12 s.
std::int64_t seconds_to_us(double seconds, const Hdf5File& file);

}  // namespace spikeloom::formats
