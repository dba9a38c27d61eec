#pragma once
// The weights' gradient where the processor has products of pairs of bfloat16. Internal to
// event_weight_gradient.
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// Whether the processor (at the SIMD level in use) and the layer are fit for it: averages have to be exact
/// in bfloat16, and an image's row must not be too long.
bool can_pair_spikes(const EventLayer& layer);

/// As event_weight_gradient.
void paired_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const BFloat16* gradient,
                            float* grad_weights, const WeightStrides& strides);

}  // namespace spikeloom::kernels::cpu
