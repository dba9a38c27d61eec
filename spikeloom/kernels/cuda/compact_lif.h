#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::kernels::cuda {

/// What compact_lif_forward writes; nullptr = not wanted, except for spikes.
template <class T>
struct CompactLifOutput {
  std::uint8_t* spikes = nullptr;  ///< [T, packed_bytes(neurons)]
  std::uint8_t* state = nullptr;   ///< [T, state_bytes(params, neurons)]: window bits or codes
  T* pooled = nullptr;  ///< [T, pooled_neurons]: spikes averaged over pool x pool pixels (pool 1: as values)
  unsigned long long* spike_count = nullptr;  ///< added to
};

/// LIF neurons that keep bits and codes, with bias in front and average pooling behind, in one pass:
///   current'[t](n,y,x,c) = current[t](n,y,x,c) + bias(c)      in float; then as
///   reference::compact_lif_forward_range
/// current [T, N, H, W, C], T = float or BFloat16, or [N, H, W, C] if size.static_input; bias [channels] or
/// nullptr. size.neurons = images.neurons(), size.num_steps = images.num_steps. Bits behind the last neuron
/// of a step are 0. Equal to the reference to the last bit; pooled equals reference::unpack_spikes. Fast
/// where channels % 8 == 0, pool <= 2 and is_plain(params); every other size and neuron works. Source: Wu et
/// al. 2019, eq. 5 and 6.
template <class T>
void compact_lif_forward(const Queue& queue, const LifSize& size, const NeuronParams& params,
                         const PackedImages& images, const T* current, const float* bias,
                         const CompactLifOutput<T>& output);

/// The gradient that NeuNorm adds to that of the spikes it reads: coefficient * dx[t](n, p), see
/// neunorm_backward.
struct NeuNormGradient {
  const float* dx =
      nullptr;  ///< [T, N, P], P pixels before pooling, or behind it with after_pooling; nullptr: none
  double coefficient = 0.0;  ///< of NeuNormParams
  bool after_pooling = false;
};

/// Gradient of compact_lif_forward with respect to the current, from what it kept (reference:
/// compact_lif_backward_range). The gradient of the spikes that the recursion reads is, with p' the pooled
/// pixel of p and k = images.pool,
///   NeuNorm before the pooling   grad_pooled[t](n, p', c) / k^2 + coefficient * dx[t](n, p)
///   NeuNorm behind the pooling   (grad_pooled[t](n, p', c) + coefficient * dx[t](n, p')) / k^2
/// and 0 + coefficient * dx, 0, for pixels that the pooling drops.
/// grad_pooled [T, pooled_neurons], G = float or BFloat16 -> grad_current [T, neurons], or [neurons] (sum
/// over the steps, last first) if size.static_input. Instantiated for (G, T) = (float, float), (BFloat16,
/// float), (BFloat16, BFloat16). Equal to the reference to the last bit, except for Surrogate::kSigmoid on a
/// device (2e-6 of the largest gradient). The gradient of the bias is bias_gradient of grad_current.
/// parameter_gradients [2], unless nullptr: dL/ddecay and dL/dv_threshold as the reference has them, terms in
/// float, added in double in the order of a fixed tree; workspace of compact_lif_backward_workspace(neurons)
/// bytes is needed for it. Throws ShapeError where they are wanted and compact_state(params) is not
/// CompactState::kTailCode (NeuronParams::learnable).
template <class G, class T>
void compact_lif_backward(const Queue& queue, const LifSize& size, const NeuronParams& params,
                          const PackedImages& images, const G* grad_pooled, const NeuNormGradient& neunorm,
                          const std::uint8_t* spikes, const std::uint8_t* state, T* grad_current,
                          double* parameter_gradients = nullptr, void* workspace = nullptr);

std::int64_t compact_lif_backward_workspace(std::int64_t neurons);

}  // namespace spikeloom::kernels::cuda
