#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// Whether the processor (at the SIMD level in use) has products of pairs of bfloat16, and the layer is not
/// pooled and its images' rows are not too long.
bool can_skip_closed_windows(const EventLayer& layer);

/// Gradient of the spikes that come in, from that of the currents, [output_pixels, filters], and the weights,
/// bfloat16 in the memory order of `strides`: grad_spikes [num_steps * batch, height, width, channels],
/// computed where `open` (packed like spikes) says that its neuron's window is open, 0 elsewhere. Sums in
/// float; values below the normal ones may count as 0. Only where can_skip_closed_windows.
void window_gradient(const EventLayer& layer, const std::uint8_t* open, const BFloat16* grad_current,
                     const BFloat16* weights, const WeightStrides& strides, BFloat16* grad_spikes);

}  // namespace spikeloom::kernels::cpu
