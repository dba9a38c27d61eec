#pragma once
#include <cstdint>

#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

/// Rectified linear units of an artificial network, in place: values[i] = max(values[i], 0), values [count].
/// NaN stays NaN. Equal to reference::relu_forward to the last bit.
void relu_forward(const Queue& queue, std::int64_t count, float* values);

/// Its gradient, from what it returned: grad_input[i] = output[i] > 0 ? grad_output[i] : 0, all [count]. In
/// place allowed. Equal to reference::relu_backward to the last bit.
void relu_backward(const Queue& queue, std::int64_t count, const float* output, const float* grad_output,
                   float* grad_input);

}  // namespace spikeloom::kernels::cuda
