#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/code_store.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::kernels::cpu {

/// What compact_lif_forward keeps for backward. Which of it is needed says compact_state(params): of
/// kOpenCode only the codes of open windows are kept.
struct CompactLifState {
  std::uint8_t* open = nullptr;  ///< [T, packed_bytes] bits: where the surrogate is not 0; not for kTailCode
  CodeStore* codes = nullptr;    ///< of the open windows: kOpenCode
  std::uint16_t* all_codes = nullptr;  ///< [T, neurons]: kTailCode
};

struct CompactLifCounts {
  std::int64_t spikes = 0;
  std::int64_t open_windows = 0;  ///< 0 in inference, and for kTailCode
};

/// LIF neurons that keep bits and codes; T = float or BFloat16, membrane in float. input [T, neurons]
/// ([neurons] if size.static_input) -> spikes [T, packed_bytes(neurons)] and, unless nullptr (inference),
/// state, whose tensors are the caller's. Spikes, windows and codes are those of
/// reference::compact_lif_forward_range to the last bit, for any number of threads and SIMD
/// level; for float input the spikes are those of lif_forward. Throws ConfigError only as simd_level() does.
template <class T>
CompactLifCounts compact_lif_forward(const LifSize& size, const NeuronParams& params, const T* input,
                                     std::uint8_t* spikes, const CompactLifState* state);

/// Gradient from what compact_lif_forward kept, with the backward pass of the average pooling behind the
/// neurons in the same pass: grad_pooled [T, images.pooled_neurons()] -> grad_input [T, neurons], or
/// [neurons] (sum over the steps, last first) if size.static_input. v_pre is known as its code says
/// (v_pre_code.h), so that with the reset path of a reset to zero, or a surrogate that is not rectangular,
/// the gradient differs from lif_backward's, by 0.6 % at most of random ones (2-norm), 0.003 % with codes of
/// 16 bits; with a window bit it is the same. `gradients`, unless nullptr, is overwritten with those of decay
/// and v_threshold (reference/compact_lif.h): terms in float, sums in double in an order that does not depend
/// on the number of threads. Equal to the reference to the last bit, except for Surrogate::kSigmoid and that
/// order. Throws ShapeError where `gradients` are wanted of a state that has not the codes of all neurons:
/// compact_state(params) must be kTailCode, as it is with params.learnable.
template <class G, class T>
void compact_lif_backward(const LifSize& size, const NeuronParams& params, const PackedImages& images,
                          const G* grad_pooled, const std::uint8_t* spikes, const CompactLifState& state,
                          T* grad_input, LifParameterGradients* gradients = nullptr);

/// Packed spikes as values, averaged over pool x pool pixels: [T, N, H / pool, W / pool, C]. Exact.
template <class T>
void unpack_spikes(const PackedImages& images, const std::uint8_t* spikes, T* values);

}  // namespace spikeloom::kernels::cpu
