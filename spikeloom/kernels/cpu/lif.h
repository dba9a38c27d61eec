#pragma once
#include <cstdint>

#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::kernels::cpu {

/// reference::lif_forward with threads and SIMD; T = float or double. input [T, neurons] ([neurons] if
/// size.static_input) -> spikes and, unless nullptr, v_pre, both [T, neurons]; returns the number of spikes
/// (smooth mode: their sum, rounded). Equal to the reference to the last bit, for any number of threads and
/// SIMD level. Throws ConfigError only as simd_level() does.
template <class T>
std::int64_t lif_forward(const LifSize& size, const NeuronParams& params, const T* input, T* v_pre,
                         T* spikes);

/// reference::lif_backward with threads and SIMD. grad_input [T, neurons], or [neurons] (sum over steps) if
/// size.static_input; `gradients` may be nullptr and is overwritten. grad_input equals the reference to the
/// last bit, except for Surrogate::kSigmoid (exp differs by a few units in the last place); the parameter
/// gradients are summed in double in an order that does not depend on the number of threads. Throws as
/// lif_forward.
template <class T>
void lif_backward(const LifSize& size, const NeuronParams& params, const T* grad_spikes, const T* v_pre,
                  const T* spikes, T* grad_input, LifParameterGradients* gradients);

}  // namespace spikeloom::kernels::cpu
