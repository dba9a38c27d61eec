#pragma once
// Products of 16-bit integers summed in 32 bits, for layers too narrow for a list of spikes to pay: whatever
// the density, 32 multiplications an instruction (vpdpwssd). Spike counts are integers as they are; weights
// and gradients become integers with a scale. Sums of integers do not depend on their order.
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// Whether the processor (at the SIMD level in use) has these products, and the layer's sums fit into 32
/// bits: not behind pooling by more than 8, or with more than 65536 / pool^2 weights a filter or pixels a
/// row.
bool can_multiply_integers(const EventLayer& layer);

/// As event_forward(), to the last bit. Only where can_multiply_integers, as the others below.
template <class T>
void integer_forward(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                     const float* bias, T* output);

/// As event_weight_gradient(), T = float or BFloat16, but with the gradient rounded to integers: in each
/// piece of an image (or of some small ones) each filter's by at most its largest |gradient| there / 65534.
/// Sums over a piece are exact, those over pieces in float, in an order that does not depend on the threads.
/// A gradient that is not finite makes its filter's sums NaN; largest ones below 1e-30 count as 0.
template <class T>
void integer_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const T* gradient,
                             float* grad_weights, const WeightStrides& strides);

/// strides.tap: that of all channels. Gradient of what comes in behind pooling, [num_steps * batch,
/// pooled_height, pooled_width, channels], from that of the currents, [output_pixels, filters], and the
/// weights where they lie. Gradients are rounded by at most the largest of their piece / 16382, weights by
/// the sum of |weight| of their channel / 2^19, or, where that is more, the largest / 65534. Not finite and
/// small gradients as above, for a whole piece.
template <class T>
void integer_input_gradient(const EventLayer& layer, const T* gradient, const float* weights,
                            const WeightStrides& strides, T* grad_input);

}  // namespace spikeloom::kernels::cpu
