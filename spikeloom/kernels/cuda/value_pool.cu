#include <string>

#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/octet.h"
#include "spikeloom/kernels/cuda/value_pool.h"

namespace spikeloom::kernels::cuda {
namespace {

/// What both directions have in common. An index is a pixel and up to eight of its channels.
struct PoolArguments {
  PoolArguments(const PoolSize& size, bool aligned)
      : channels(size.channels),
        height(size.height),
        width(size.width),
        kernel(size.kernel),
        output_height(size.output_height()),
        output_width(size.output_width()),
        octets((size.channels + 7) / 8),
        scale(1.0f / static_cast<float>(size.kernel * size.kernel)),
        in_vectors(aligned && size.channels % 8 == 0),
        by_octets(octets) {}

  SPIKELOOM_HOST_DEVICE std::int64_t length(std::int64_t channel) const {
    return channels - channel < 8 ? channels - channel : 8;
  }

  std::int64_t channels, height, width, kernel, output_height, output_width, octets;
  float scale;
  bool in_vectors;
  Divisor by_octets;
};

/// Index over the pixels of the output.
struct AverageWindows {
  PoolArguments a;
  Divisor by_width, by_height;  ///< of the output
  const float* input;
  float* output;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t rest = index;
    const std::int64_t channel = a.by_octets.split(rest) * 8, length = a.length(channel), pixel = rest;
    const std::int64_t column = by_width.split(rest), row = by_height.split(rest);
    const std::int64_t corner = (rest * a.height + row * a.kernel) * a.width + column * a.kernel;
    float sums[8] = {};
    for (std::int64_t dy = 0; dy < a.kernel; ++dy) {
      for (std::int64_t dx = 0; dx < a.kernel; ++dx) {
        const auto raw =
            load_some(input + (corner + dy * a.width + dx) * a.channels + channel, a.in_vectors, length);
        SPIKELOOM_UNROLL
        for (int i = 0; i < 8; ++i) sums[i] += value_of(raw, i);
      }
    }
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) sums[i] *= a.scale;
    store_some(raw_of<float>(sums), a.in_vectors, length, output + pixel * a.channels + channel);
  }
};

/// Index over the pixels of the input.
struct SpreadWindows {
  PoolArguments a;
  Divisor by_width, by_height, by_kernel;  ///< of the input
  const float* grad_output;
  float* grad_input;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t rest = index;
    const std::int64_t channel = a.by_octets.split(rest) * 8, length = a.length(channel), pixel = rest;
    const std::int64_t column = by_kernel.quotient(by_width.split(rest)),
                       row = by_kernel.quotient(by_height.split(rest));
    float values[8] = {};
    if (row < a.output_height && column < a.output_width) {
      const std::int64_t window = (rest * a.output_height + row) * a.output_width + column;
      const auto raw = load_some(grad_output + window * a.channels + channel, a.in_vectors, length);
      SPIKELOOM_UNROLL
      for (int i = 0; i < 8; ++i) values[i] = value_of(raw, i) * a.scale;
    }
    store_some(raw_of<float>(values), a.in_vectors, length, grad_input + pixel * a.channels + channel);
  }
};

void check(const char* kernel, const PoolSize& size) {
  if (size.kernel >= 1) return;
  throw ShapeError(std::string(kernel) + ": the window must have a side of at least 1 pixel, not " +
                   std::to_string(size.kernel));
}

}  // namespace

void value_pool_forward(const Queue& queue, const PoolSize& size, const float* input, float* output) {
  check("value_pool_forward", size);
  const PoolArguments arguments(size, is_aligned(input) && is_aligned(output));
  for_each(
      queue, "value_pool_forward",
      size.images * size.output_height() * size.output_width() * arguments.octets,
      AverageWindows{arguments, Divisor(size.output_width()), Divisor(size.output_height()), input, output});
}

void value_pool_backward(const Queue& queue, const PoolSize& size, const float* grad_output,
                         float* grad_input) {
  check("value_pool_backward", size);
  const PoolArguments arguments(size, is_aligned(grad_output) && is_aligned(grad_input));
  for_each(queue, "value_pool_backward", size.images * size.height * size.width * arguments.octets,
           SpreadWindows{arguments, Divisor(size.width), Divisor(size.height), Divisor(size.kernel),
                         grad_output, grad_input});
}

}  // namespace spikeloom::kernels::cuda
