#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/spike_lists.h"
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

/// What event_forward_pixels() works in; it grows where it is too small.
struct EventForwardRoom {
  SpikeLists lists;
  AlignedVector<std::int32_t> sums;

  /// So that it need not grow for any `pixels` output pixels of this layer that follow each other. What is
  /// not used takes no memory yet.
  void fit(const EventLayer& layer, std::int64_t pixels);
};

/// The same for output pixels [begin, end), 65535 at most, on the calling thread; output [end - begin,
/// filters]. `scale` [weights.stride] instead of the weights' own, divided by pool * pool.
template <class T>
void event_forward_pixels(const EventLayer& layer, const std::uint8_t* spikes,
                          const FixedPointWeights& weights, const float* scale, const float* bias,
                          std::int64_t begin, std::int64_t end, EventForwardRoom& room, T* output);

/// Gradient of the weights: gradient [output_pixels, filters], G = float or BFloat16 -> grad_weights in the
/// memory order of `strides`, summed in float in the order of the pixels. Equal to the reference to the last
/// bit where a product of an average and a gradient is exact (no pooling, or BFloat16 with pooling by 2).
/// BFloat16 values below the normal ones may count as 0.
template <class G>
void event_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const G* gradient,
                           float* grad_weights, const WeightStrides& strides);

}  // namespace spikeloom::kernels::cpu
