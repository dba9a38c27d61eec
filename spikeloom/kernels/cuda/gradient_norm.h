#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

/// Bytes of workspace that square_sum needs.
std::int64_t square_sum_workspace(std::int64_t count);

/// *sum = sum of values^2 in double; values [count], T = float or BFloat16. Not finite where a value is not.
template <class T>
void square_sum(const Queue& queue, std::int64_t count, const T* values, double* sum, void* workspace);

/// What gradients are multiplied with so that their global norm is at most max_norm, as LibTorch's
/// clip_grad_norm_:
///   *factor = min(1, max_norm / (sqrt(sum_i square_sums[i]) + 1e-6)), NaN where the norm is
/// square_sums [tensors] of square_sum.
void clip_factor(const Queue& queue, std::int64_t tensors, const double* square_sums, double max_norm,
                 float* factor);

/// *flag = 1 when one of the values [count] is NaN or infinite, else left alone. T = float or BFloat16. A LIF
/// layer turns NaN into silence, so weights have to be looked at themselves.
template <class T>
void flag_not_finite(const Queue& queue, std::int64_t count, const T* values, std::uint32_t* flag);

}  // namespace spikeloom::kernels::cuda
