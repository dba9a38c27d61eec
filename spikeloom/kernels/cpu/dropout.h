#pragma once
#include "spikeloom/kernels/dropout_params.h"

namespace spikeloom::kernels::cpu {

/// reference::dropout_apply with threads and SIMD, equal to the last bit; T = float, double, or BFloat16
/// (computed in float, rounded once). input, output [T, elements], p in [0, 1]; serves forward and backward;
/// in place allowed. Throws ConfigError only as simd_level() does.
template <class T>
void dropout_apply(const DropoutSize& size, double p, DropoutKey key, const T* input, T* output);

}  // namespace spikeloom::kernels::cpu
