#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

/// rounded[i] = values[i] to the nearest bfloat16, ties to even; NaN stays NaN. Both [count].
void round_values(const Queue& queue, std::int64_t count, const float* values, BFloat16* rounded);

}  // namespace spikeloom::kernels::cuda
