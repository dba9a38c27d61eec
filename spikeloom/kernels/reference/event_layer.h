#pragma once
// The event-driven layer in plain loops: what its kernels must give.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::reference {

/// weights: [weight_rows, filters].
inline FixedPointWeights fixed_point_weights(const EventLayer& layer, const float* weights) {
  FixedPointWeights fixed;
  fixed.rows = layer.weight_rows();
  fixed.stride = (layer.filters + 31) / 32 * 32;
  fixed.values.assign(static_cast<std::size_t>(layer.weight_rows() * fixed.stride), 0);
  fixed.scale.assign(static_cast<std::size_t>(fixed.stride), 0.0f);
  for (std::int64_t f = 0; f < layer.filters; ++f) {
    float largest = 0.0f;
    for (std::int64_t row = 0; row < layer.weight_rows(); ++row) {
      largest = std::max(largest, std::fabs(weights[row * layer.filters + f]));
    }
    const float scale = largest / static_cast<float>(kLargestWeight);
    fixed.scale[static_cast<std::size_t>(f)] = scale;
    const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    for (std::int64_t row = 0; row < layer.weight_rows(); ++row) {
      const float value = std::nearbyint(weights[row * layer.filters + f] * inverse);
      const float limit = kLargestWeight;
      fixed.values[static_cast<std::size_t>(fixed.at(row, f))] =
          static_cast<std::int16_t>(std::clamp(value, -limit, limit));
    }
  }
  return fixed;
}

/// Spikes of channel c behind pooled pixel (y, x) of an image (step * batch + sample), 0 outside.
inline int spike_count(const PackedImages& images, const std::uint8_t* spikes, std::int64_t image,
                       std::int64_t y, std::int64_t x, std::int64_t c) {
  if (y < 0 || y >= images.pooled_height() || x < 0 || x >= images.pooled_width()) return 0;
  const std::uint8_t* step = spikes + image / images.batch * packed_bytes(images.neurons());
  int count = 0;
  for (std::int64_t dy = 0; dy < images.pool; ++dy) {
    for (std::int64_t dx = 0; dx < images.pool; ++dx) {
      const std::int64_t row = image % images.batch * images.height + y * images.pool + dy;
      const std::int64_t pixel = row * images.width + x * images.pool + dx;
      count += get_bit(step, pixel * images.channels + c) ? 1 : 0;
    }
  }
  return count;
}

/// output: [output_pixels, filters]; bias: [filters] or nullptr.
template <class T>
void event_forward(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                   const float* bias, T* output) {
  const std::int64_t height = layer.output_height(), width = layer.output_width();
  const float average = 1.0f / static_cast<float>(layer.images.pool * layer.images.pool);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(layer.filters));
  for (std::int64_t pixel = 0; pixel < layer.output_pixels(); ++pixel) {
    const std::int64_t image = pixel / (height * width), y = pixel / width % height, x = pixel % width;
    std::fill(sums.begin(), sums.end(), 0);
    for (std::int64_t row = 0; row < layer.weight_rows(); ++row) {
      const std::int64_t tap = row / layer.images.channels, c = row % layer.images.channels;
      const int count = spike_count(layer.images, spikes, image, y - layer.padding + tap / layer.kernel,
                                    x - layer.padding + tap % layer.kernel, c);
      if (count == 0) continue;
      for (std::int64_t f = 0; f < layer.filters; ++f) {
        sums[static_cast<std::size_t>(f)] +=
            count * weights.values[static_cast<std::size_t>(weights.at(row, f))];
      }
    }
    for (std::int64_t f = 0; f < layer.filters; ++f) {
      const auto i = static_cast<std::size_t>(f);
      const float scaled = static_cast<float>(sums[i]) * (weights.scale[i] * average);
      output[pixel * layer.filters + f] = from_float<T>(bias != nullptr ? scaled + bias[f] : scaled);
    }
  }
}

/// gradient: [output_pixels, filters] -> grad_weights: [weight_rows, filters].
template <class G>
void event_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const G* gradient,
                           float* grad_weights) {
  const PackedImages& images = layer.images;
  const float average = 1.0f / static_cast<float>(images.pool * images.pool);
  std::fill(grad_weights, grad_weights + layer.weight_rows() * layer.filters, 0.0f);
  for (std::int64_t row = 0; row < layer.weight_rows(); ++row) {
    const std::int64_t tap = row / images.channels, c = row % images.channels;
    float* const sums = grad_weights + row * layer.filters;
    for (std::int64_t image = 0; image < images.num_steps * images.batch; ++image) {
      for (std::int64_t y = 0; y < images.pooled_height(); ++y) {
        for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
          const std::int64_t to_y = y + layer.padding - tap / layer.kernel;
          const std::int64_t to_x = x + layer.padding - tap % layer.kernel;
          if (to_y < 0 || to_y >= layer.output_height() || to_x < 0 || to_x >= layer.output_width()) continue;
          const int count = spike_count(images, spikes, image, y, x, c);
          if (count == 0) continue;
          const G* const from =
              gradient +
              ((image * layer.output_height() + to_y) * layer.output_width() + to_x) * layer.filters;
          for (std::int64_t f = 0; f < layer.filters; ++f) {
            sums[f] += static_cast<float>(count) * average * to_float(from[f]);
          }
        }
      }
    }
  }
}

/// Gradient of the spikes that come in (no pooling) where `open` (packed as they are) is set, 0 elsewhere:
/// gradient [output_pixels, filters], weights [weight_rows, filters] -> [num_steps * batch, height, width,
/// channels].
template <class G>
void window_gradient(const EventLayer& layer, const std::uint8_t* open, const G* gradient, const G* weights,
                     G* grad_spikes) {
  const PackedImages& images = layer.images;
  for (std::int64_t image = 0; image < images.num_steps * images.batch; ++image) {
    for (std::int64_t y = 0; y < images.height; ++y) {
      for (std::int64_t x = 0; x < images.width; ++x) {
        for (std::int64_t c = 0; c < images.channels; ++c) {
          double sum = 0.0;
          for (std::int64_t tap = 0; tap < layer.kernel * layer.kernel; ++tap) {
            const std::int64_t to_y = y + layer.padding - tap / layer.kernel;
            const std::int64_t to_x = x + layer.padding - tap % layer.kernel;
            if (to_y < 0 || to_y >= layer.output_height() || to_x < 0 || to_x >= layer.output_width())
              continue;
            const G* const from =
                gradient +
                ((image * layer.output_height() + to_y) * layer.output_width() + to_x) * layer.filters;
            const G* const row = weights + (tap * images.channels + c) * layer.filters;
            for (std::int64_t f = 0; f < layer.filters; ++f) {
              sum += static_cast<double>(to_float(from[f])) * static_cast<double>(to_float(row[f]));
            }
          }
          const bool is_open = spike_count(images, open, image, y, x, c) != 0;
          grad_spikes[((image * images.height + y) * images.width + x) * images.channels + c] =
              from_float<G>(is_open ? static_cast<float>(sum) : 0.0f);
        }
      }
    }
  }
}

}  // namespace spikeloom::kernels::reference
