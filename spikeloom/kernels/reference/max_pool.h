#pragma once
// Max pooling over k x k pixels with stride k, of packed spikes and of values; a rest at the right and bottom
// is dropped.
//   output(y, x, c) = max over (dy, dx) of input(k y + dy, k x + dx, c)      for spikes: whether any fires
// The maximum is attained at one pixel at least; its first one in row-major order, q, gets the gradient:
//   grad_input(k y + dy, k x + dx, c) = grad_output(y, x, c) if (dy, dx) = q, else 0
// so that of spikes the first that fires gets it, and the first pixel where none does: what the max pooling
// of the usual frameworks does with values of 0 and 1. NaN counts as larger than every number.
#include <cmath>
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/pool_params.h"

namespace spikeloom::kernels::reference {

inline double to_number(double value) { return value; }
inline double to_number(float value) { return static_cast<double>(value); }
inline double to_number(BFloat16 value) { return static_cast<double>(to_float(value)); }

/// spikes [T, packed_bytes(images.neurons())] -> pooled [T, packed_bytes(max_pooled(images,
/// factor).neurons())], bits behind the last neuron of a step 0. images.pool is ignored. Never throws.
inline void max_pool_spikes(const PackedImages& images, std::int64_t factor, const std::uint8_t* spikes,
                            std::uint8_t* pooled) {
  const PackedImages out = max_pooled(images, factor);
  const std::int64_t stride = packed_bytes(images.neurons()), out_stride = packed_bytes(out.neurons());
  for (std::int64_t i = 0; i < images.num_steps * out_stride; ++i) pooled[i] = 0;
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    for (std::int64_t o = 0; o < out.neurons(); ++o) {
      const std::int64_t c = o % out.channels, pixel = o / out.channels;
      const std::int64_t x = pixel % out.width, row = pixel / out.width;
      const std::int64_t y = row % out.height, n = row / out.height;
      bool any = false;
      for (std::int64_t dy = 0; dy < factor; ++dy) {
        for (std::int64_t dx = 0; dx < factor; ++dx) {
          const std::int64_t from = (n * images.height + y * factor + dy) * images.width + x * factor + dx;
          any = any || get_bit(spikes + t * stride, from * images.channels + c);
        }
      }
      set_bit(pooled + t * out_stride, o, any);
    }
  }
}

/// Gradient of max_pool_spikes: grad_pooled [T, N, H / factor, W / factor, C] and the spikes that came in ->
/// grad_spikes [T, N, H, W, C]. Never throws.
template <class T>
void max_pool_spikes_backward(const PackedImages& images, std::int64_t factor, const T* grad_pooled,
                              const std::uint8_t* spikes, T* grad_spikes) {
  const PackedImages out = max_pooled(images, factor);
  const std::int64_t stride = packed_bytes(images.neurons());
  for (std::int64_t i = 0; i < images.num_steps * images.neurons(); ++i) grad_spikes[i] = T{};
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    for (std::int64_t o = 0; o < out.neurons(); ++o) {
      const std::int64_t c = o % out.channels, pixel = o / out.channels;
      const std::int64_t x = pixel % out.width, row = pixel / out.width;
      const std::int64_t y = row % out.height, n = row / out.height;
      const std::int64_t corner = (n * images.height + y * factor) * images.width + x * factor;
      std::int64_t first = corner;
      for (std::int64_t q = factor * factor - 1; q >= 0; --q) {
        const std::int64_t from = corner + q / factor * images.width + q % factor;
        if (get_bit(spikes + t * stride, from * images.channels + c)) first = from;
      }
      grad_spikes[t * images.neurons() + first * images.channels + c] = grad_pooled[t * out.neurons() + o];
    }
  }
}

/// The pixel of the window that begins at `window` (channel c) which has its first maximum, counted row by
/// row.
template <class T>
std::int64_t first_maximum(const PoolSize& size, const T* window, std::int64_t c) {
  std::int64_t first = 0;
  double best = 0.0;
  for (std::int64_t q = 0; q < size.kernel * size.kernel; ++q) {
    const std::int64_t pixel = q / size.kernel * size.width + q % size.kernel;
    const double value = to_number(window[pixel * size.channels + c]);
    if (q > 0 && !(value > best || (std::isnan(value) && !std::isnan(best)))) continue;
    first = q;
    best = value;
  }
  return first;
}

/// input [images, H, W, C] -> output [images, H/k, W/k, C]; T = float, double or BFloat16. Never throws.
template <class T>
void max_pool_forward(const PoolSize& size, const T* input, T* output) {
  for (std::int64_t n = 0; n < size.images; ++n) {
    for (std::int64_t y = 0; y < size.output_height(); ++y) {
      for (std::int64_t x = 0; x < size.output_width(); ++x) {
        const T* window =
            input + ((n * size.height + y * size.kernel) * size.width + x * size.kernel) * size.channels;
        for (std::int64_t c = 0; c < size.channels; ++c) {
          const std::int64_t q = first_maximum(size, window, c);
          output[((n * size.output_height() + y) * size.output_width() + x) * size.channels + c] =
              window[(q / size.kernel * size.width + q % size.kernel) * size.channels + c];
        }
      }
    }
  }
}

/// Gradient of max_pool_forward: grad_output [images, H/k, W/k, C] and the input -> grad_input [images, H, W,
/// C], 0 for pixels that are dropped. Never throws.
template <class T>
void max_pool_backward(const PoolSize& size, const T* grad_output, const T* input, T* grad_input) {
  for (std::int64_t i = 0; i < size.images * size.height * size.width * size.channels; ++i)
    grad_input[i] = T{};
  for (std::int64_t n = 0; n < size.images; ++n) {
    for (std::int64_t y = 0; y < size.output_height(); ++y) {
      for (std::int64_t x = 0; x < size.output_width(); ++x) {
        const std::int64_t corner =
            ((n * size.height + y * size.kernel) * size.width + x * size.kernel) * size.channels;
        for (std::int64_t c = 0; c < size.channels; ++c) {
          const std::int64_t q = first_maximum(size, input + corner, c);
          grad_input[corner + (q / size.kernel * size.width + q % size.kernel) * size.channels + c] =
              grad_output[((n * size.output_height() + y) * size.output_width() + x) * size.channels + c];
        }
      }
    }
  }
}

}  // namespace spikeloom::kernels::reference
