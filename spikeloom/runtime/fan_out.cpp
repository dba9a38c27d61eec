#include "spikeloom/runtime/fan_out.h"

#include <cmath>

#include "spikeloom/runtime/index.h"

namespace spikeloom::runtime {
namespace {

/// How many outputs each input reaches: output o takes inputs o * stride - padding + k * dilation.
std::vector<std::int64_t> reach(const Product::Axis& axis, std::int64_t inputs, std::int64_t outputs) {
  std::vector<std::int64_t> counts(at(inputs));
  for (std::int64_t output = 0; output < outputs; ++output) {
    for (std::int64_t k = 0; k < axis.kernel; ++k) {
      const std::int64_t input = output * axis.stride - axis.padding + k * axis.dilation;
      if (input >= 0 && input < inputs) ++counts[at(input)];
    }
  }
  return counts;
}

}  // namespace

FanOut::FanOut(const Product& product)
    : is_matrix_(product.input.height == 1 && product.input.width == 1),
      filters_(product.output.channels / product.groups),
      rows_(reach(product.vertical, product.input.height, product.output.height)),
      columns_(reach(product.horizontal, product.input.width, product.output.width)) {}

FanOut::Work FanOut::of(const model::Shape& shape, const model::Pool& pool, Span<const float> values) const {
  const std::int64_t k = pool.kind == model::Pool::kNone ? 1 : pool.factor;
  Work work;
  for (std::int64_t y = 0; y < shape.height / k; ++y) {
    for (std::int64_t x = 0; x < shape.width / k; ++x) {
      const std::int64_t each = synapses(y, x);
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        double window = 0.0;
        bool any = false;
        for (std::int64_t i = 0; i < k * k; ++i) {
          const float value =
              values.data()[at(((y * k + i / k) * shape.width + x * k + i % k) * shape.channels + c)];
          window += value;
          any = any || value != 0.0f;
        }
        work.additions +=
            each * (pool.gives_spikes() ? (any ? 1 : 0) : static_cast<std::int64_t>(std::llround(window)));
        work.values += any ? each : 0;
      }
    }
  }
  return work;
}

}  // namespace spikeloom::runtime
