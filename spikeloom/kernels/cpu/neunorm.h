#pragma once
#include "spikeloom/kernels/neunorm_params.h"

namespace spikeloom::kernels::cpu {

/// reference::neunorm_forward with threads and SIMD; T = float or double. spikes [T, N, P, C], u [P, C] or
/// [P] -> x [T, N, P], output [T, N, P, C]. The channel sum runs in T: exact, so equal to the reference to
/// the last bit, for spikes and pooled spikes; else to rounding. Independent of the number of threads. Throws
/// ConfigError only as simd_level() does.
template <class T>
void neunorm_forward(const NeuNormSize& size, const NeuNormParams& params, const T* spikes, const T* u, T* x,
                     T* output);

/// reference::neunorm_backward with threads and SIMD, to rounding. grad_u is overwritten and may be nullptr;
/// it is summed over n, then t from the last step, whatever the number of threads. Throws as neunorm_forward.
template <class T>
void neunorm_backward(const NeuNormSize& size, const NeuNormParams& params, const T* grad_output, const T* u,
                      const T* x, T* grad_spikes, T* grad_u);

}  // namespace spikeloom::kernels::cpu
