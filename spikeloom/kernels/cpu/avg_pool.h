#pragma once
#include "spikeloom/kernels/pool_params.h"

namespace spikeloom::kernels::cpu {

/// reference::avg_pool_forward with threads and SIMD, equal to the last bit; T = float or double.
/// input [images, H, W, C] -> output [images, H/k, W/k, C]. Throws ConfigError only as simd_level() does.
template <class T>
void avg_pool_forward(const PoolSize& size, const T* input, T* output);

/// reference::avg_pool_backward with threads and SIMD, equal to the last bit. Throws as avg_pool_forward.
template <class T>
void avg_pool_backward(const PoolSize& size, const T* grad_output, T* grad_input);

}  // namespace spikeloom::kernels::cpu
