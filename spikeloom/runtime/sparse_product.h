#pragma once
#include <cstdint>

#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// output [H', W', F] = bias (0 where there is none) + product of input [H, W, C]. Work in proportion to the
/// inputs that are not 0: spikes, or the pixels of an image. `active`: room for C numbers. Sums in float,
/// over inputs in memory order; the bits are the same on every machine and at every SIMD level. Returns the
/// synaptic operations (FanOut) of inputs that stand for `spikes_per_value` times their value of spikes,
/// rounded, or one each (kEachIsOne), or none (kNoSpikes). Never throws.
std::int64_t sparse_product(const Product& product, const float* input, float spikes_per_value,
                            std::int32_t* active, float* output);
constexpr float kEachIsOne = 0.0f, kNoSpikes = -1.0f;

/// output [F] += the rows of weight [N, F] whose input [N] is not 0, times it.
void add_rows(std::int64_t rows, std::int64_t columns, const float* weight, const float* input,
              float* output);

}  // namespace spikeloom::runtime
