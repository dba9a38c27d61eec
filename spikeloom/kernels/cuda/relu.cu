#include "spikeloom/kernels/cuda/octet.h"
#include "spikeloom/kernels/cuda/relu.h"

namespace spikeloom::kernels::cuda {
namespace {

/// How many values an index has, and whether they can be loaded at once.
struct Part {
  std::int64_t at, length;
  bool whole;
};
SPIKELOOM_HOST_DEVICE inline Part part_of(std::int64_t octet, std::int64_t count, bool aligned) {
  const std::int64_t at = octet * 8, left = count - at;
  return {at, left < 8 ? left : 8, aligned && left >= 8};
}

/// Index = octet of values.
struct Rectify {
  std::int64_t count;
  bool aligned;
  float* values;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    const Part part = part_of(octet, count, aligned);
    const auto raw = load_some(values + part.at, part.whole, part.length);
    float result[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      const float value = value_of(raw, i);
      result[i] = value < 0.0f ? 0.0f : value;
    }
    store_some(raw_of<float>(result), part.whole, part.length, values + part.at);
  }
};

/// Index = octet of values.
struct PassOpen {
  std::int64_t count;
  bool aligned;
  const float* output;
  const float* grad_output;
  float* grad_input;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    const Part part = part_of(octet, count, aligned);
    const auto values = load_some(output + part.at, part.whole, part.length);
    const auto gradient = load_some(grad_output + part.at, part.whole, part.length);
    float result[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) result[i] = value_of(values, i) > 0.0f ? value_of(gradient, i) : 0.0f;
    store_some(raw_of<float>(result), part.whole, part.length, grad_input + part.at);
  }
};

}  // namespace

void relu_forward(const Queue& queue, std::int64_t count, float* values) {
  for_each(queue, "relu_forward", (count + 7) / 8, Rectify{count, is_aligned(values), values});
}

void relu_backward(const Queue& queue, std::int64_t count, const float* output, const float* grad_output,
                   float* grad_input) {
  const bool aligned = is_aligned(output) && is_aligned(grad_output) && is_aligned(grad_input);
  for_each(queue, "relu_backward", (count + 7) / 8,
           PassOpen{count, aligned, output, grad_output, grad_input});
}

}  // namespace spikeloom::kernels::cuda
