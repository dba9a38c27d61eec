#pragma once
#include <cstdint>

#include "spikeloom/model/program.h"

namespace spikeloom::runtime {

// Values and spikes of one step as images, [H, W, C] (shape), and what comes through a pooling of them.
// Spikes are packed as in kernels/packed_spikes.h.

/// The shape after a pooling; a rest at the right and bottom is dropped.
model::Shape pooled(const model::Shape& shape, const model::Pool& pool);

/// to [H / k, W / k, C] = or, with `add`, += the average or largest of each window of from [H, W, C].
void pool_values(const model::Shape& shape, const model::Pool& pool, const float* from, bool add, float* to);

/// The same of spikes, without `add`: to the last bit what pool_values() makes of 0 and 1. `any` has room for
/// the packed spikes [H / k, W / k, C] of a maximum pooling.
void pool_spikes(const model::Shape& shape, const model::Pool& pool, const std::uint8_t* spikes,
                 std::uint8_t* any, float* to);

/// Packed spikes [H / k, W / k, C]: whether any of a window fires.
void any_of_windows(const model::Shape& shape, std::int64_t factor, const std::uint8_t* spikes,
                    std::uint8_t* to);

/// Bytes of a step of packed spikes.
std::int64_t packed_bytes(const model::Shape& shape);

}  // namespace spikeloom::runtime
