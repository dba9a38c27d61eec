#pragma once
#include <cstdint>

#include "spikeloom/kernels/pool_params.h"

namespace spikeloom::kernels::reference {

/// Average pooling: input [images, H, W, C] -> output [images, H/k, W/k, C], each the sum of its window (row
/// by row) times 1/k^2; rows and columns that do not fill a window are dropped. Never throws.
template <class T>
void avg_pool_forward(const PoolSize& size, const T* input, T* output) {
  const T scale = T(1) / static_cast<T>(size.kernel * size.kernel);
  for (std::int64_t n = 0; n < size.images; ++n) {
    for (std::int64_t row = 0; row < size.output_height(); ++row) {
      for (std::int64_t column = 0; column < size.output_width(); ++column) {
        for (std::int64_t c = 0; c < size.channels; ++c) {
          T sum = T(0);
          for (std::int64_t dy = 0; dy < size.kernel; ++dy) {
            for (std::int64_t dx = 0; dx < size.kernel; ++dx) {
              const std::int64_t y = row * size.kernel + dy;
              const std::int64_t x = column * size.kernel + dx;
              sum += input[((n * size.height + y) * size.width + x) * size.channels + c];
            }
          }
          output[((n * size.output_height() + row) * size.output_width() + column) * size.channels + c] =
              sum * scale;
        }
      }
    }
  }
}

/// Gradient of avg_pool_forward: each input gets 1/k^2 of its window's gradient, a dropped one gets 0. Never
/// throws.
template <class T>
void avg_pool_backward(const PoolSize& size, const T* grad_output, T* grad_input) {
  const T scale = T(1) / static_cast<T>(size.kernel * size.kernel);
  for (std::int64_t n = 0; n < size.images; ++n) {
    for (std::int64_t y = 0; y < size.height; ++y) {
      for (std::int64_t x = 0; x < size.width; ++x) {
        const std::int64_t row = y / size.kernel;
        const std::int64_t column = x / size.kernel;
        const bool used = row < size.output_height() && column < size.output_width();
        for (std::int64_t c = 0; c < size.channels; ++c) {
          const std::int64_t from =
              ((n * size.output_height() + row) * size.output_width() + column) * size.channels + c;
          grad_input[((n * size.height + y) * size.width + x) * size.channels + c] =
              used ? grad_output[from] * scale : T(0);
        }
      }
    }
  }
}

}  // namespace spikeloom::kernels::reference
