#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::kernels::cpu {

/// LIF neurons that keep bits and codes; T = float or BFloat16, membrane in float. input [T, neurons]
/// ([neurons] if size.static_input) -> spikes [T, packed_bytes(neurons)] and, unless nullptr (inference),
/// state: [T, packed_bytes] bits or [T, neurons] codes, see compact_state(params). Returns the number of
/// spikes. Equal to reference::compact_lif_forward_range to the last bit, for any number of threads and SIMD
/// level; for float input the spikes are those of lif_forward. Throws ConfigError only as simd_level() does.
template <class T>
std::int64_t compact_lif_forward(const LifSize& size, const NeuronParams& params, const T* input,
                                 std::uint8_t* spikes, std::uint8_t* state);

/// Gradient from what compact_lif_forward kept, with the backward pass of the average pooling behind the
/// neurons in the same pass: grad_pooled [T, images.pooled_neurons()] -> grad_input [T, neurons], or
/// [neurons] (sum over the steps, last first) if size.static_input. v_pre is known to half / 255
/// (v_pre_code.h), so that with the reset path of a reset to zero, or a smooth surrogate, the gradient
/// differs from lif_backward's by at most that much of its terms; with a window bit it is the same. Equal to
/// the reference to the last bit, except for Surrogate::kSigmoid.
template <class G, class T>
void compact_lif_backward(const LifSize& size, const NeuronParams& params, const PackedImages& images,
                          const G* grad_pooled, const std::uint8_t* spikes, const std::uint8_t* state,
                          T* grad_input);

/// Packed spikes as values, averaged over pool x pool pixels: [T, N, H / pool, W / pool, C]. Exact.
template <class T>
void unpack_spikes(const PackedImages& images, const std::uint8_t* spikes, T* values);

}  // namespace spikeloom::kernels::cpu
