#pragma once
#include "spikeloom/kernels/linear_size.h"

namespace spikeloom::kernels::reference {

/// y[r, f] = bias[f] + sum over i of x[r, i] weight[f, i], summed in double. bias: or null for 0.
inline void linear_forward(const LinearSize& size, const float* x, const float* weight, const float* bias,
                           float* y) {
  for (std::int64_t r = 0; r < size.rows; ++r) {
    for (std::int64_t f = 0; f < size.filters; ++f) {
      double sum = bias != nullptr ? static_cast<double>(bias[f]) : 0.0;
      for (std::int64_t i = 0; i < size.inputs; ++i) {
        sum += static_cast<double>(x[r * size.inputs + i]) * static_cast<double>(weight[f * size.inputs + i]);
      }
      y[r * size.filters + f] = static_cast<float>(sum);
    }
  }
}

}  // namespace spikeloom::kernels::reference
