#pragma once
#include <cstdint>

namespace spikeloom::kernels::reference {

/// Rectified linear units, in place: values[i] = max(values[i], 0). NaN stays NaN, so that the loss shows it.
/// Never throws.
template <class T>
void relu_forward(std::int64_t count, T* values) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (values[i] < T(0)) values[i] = T(0);
  }
}

/// Gradient of relu_forward, from what it returned: grad_input[i] = output[i] > 0 ? grad_output[i] : 0. In
/// place allowed. Never throws.
template <class T>
void relu_backward(std::int64_t count, const T* output, const T* grad_output, T* grad_input) {
  for (std::int64_t i = 0; i < count; ++i) grad_input[i] = output[i] > T(0) ? grad_output[i] : T(0);
}

}  // namespace spikeloom::kernels::reference
