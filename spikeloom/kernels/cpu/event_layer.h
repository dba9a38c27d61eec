#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

// Work of these kernels is proportional to the number of spikes: for every spike, one row of the weights is
// added up, or one row of the gradient. Same for any number of threads.

/// The weights, wherever they lie, as integers of -1023 ... 1023. Equal to the reference.
FixedPointWeights fixed_point_weights(const EventLayer& layer, const float* weights,
                                      const WeightStrides& strides);

/// Convolution of the spikes: output [output_pixels, filters] (pixels over steps, samples, height, width),
/// T = float or BFloat16; bias [filters] or nullptr. The sums are exact in integers; equal to
/// reference::event_forward to the last bit.
template <class T>
void event_forward(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                   const float* bias, T* output);

/// Gradient of the weights: gradient [output_pixels, filters], G = float or BFloat16 -> grad_weights in the
/// memory order of `strides`, summed in float in the order of the pixels. Equal to the reference to the last
/// bit where a product of an average and a gradient is exact (no pooling, or BFloat16 with pooling by 2).
/// BFloat16 values below the normal ones may count as 0.
template <class G>
void event_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const G* gradient,
                           float* grad_weights, const WeightStrides& strides);

}  // namespace spikeloom::kernels::cpu
