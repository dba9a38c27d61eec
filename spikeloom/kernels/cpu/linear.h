#pragma once
#include "spikeloom/kernels/linear_size.h"

namespace spikeloom::kernels::cpu {

/// y[r, f] = bias[f] + sum over i of x[r, i] weight[f, i], as kernels/reference/linear.h but for the order of
/// the sum and roundings to float. bias: or null for 0. The sum of a row and filter has one order, whatever
/// the number of rows, their places and the number of threads: the bits of a row depend on that row alone (at
/// one SIMD level). BLAS promises no such thing.
void linear_forward(const LinearSize& size, const float* x, const float* weight, const float* bias, float* y);

}  // namespace spikeloom::kernels::cpu
