#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

/// Bytes of workspace that bias_gradient needs.
std::int64_t bias_gradient_workspace(std::int64_t rows, std::int64_t channels);

/// Column sums: gradient [rows, channels], T = float or BFloat16 -> sums [channels] float. Added up in float,
/// in an order that depends on the sizes alone; differs from a sum in double by 1e-5 of the sum of magnitudes
/// at most.
template <class T>
void bias_gradient(const Queue& queue, std::int64_t rows, std::int64_t channels, const T* gradient,
                   float* sums, void* workspace);

}  // namespace spikeloom::kernels::cuda
