#include "spikeloom/runtime/fan_out.h"

#include <algorithm>
#include <cmath>

#include "spikeloom/kernels/cpu/spike_bits.h"

namespace spikeloom::runtime {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

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

std::int64_t count_bits(const std::uint8_t* bits, std::int64_t bytes, std::int64_t begin,
                        std::int64_t count) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < count; i += 64) {
    const std::uint64_t word =
        kernels::cpu::load_bits(bits, bytes, begin + i, std::min<std::int64_t>(64, count - i));
    sum += __builtin_popcountll(word);
  }
  return sum;
}

}  // namespace

FanOut::FanOut(const Product& product)
    : is_matrix_(product.input.height == 1 && product.input.width == 1),
      filters_(product.output.channels / product.groups),
      rows_(reach(product.vertical, product.input.height, product.output.height)),
      columns_(reach(product.horizontal, product.input.width, product.output.width)) {}

FanOut::Work FanOut::of(const model::Shape& shape, const model::Pool& pool, Span<const float> values) const {
  const std::int64_t k = pool.kind == model::Pool::kNone ? 1 : pool.factor;
  const bool largest = pool.kind == model::Pool::kMax;
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
        work.additions += each * (largest ? (any ? 1 : 0) : static_cast<std::int64_t>(std::llround(window)));
        work.values += any ? each : 0;
      }
    }
  }
  return work;
}

std::int64_t FanOut::of_spikes(const model::Shape& shape, const model::Pool& pool,
                               const std::uint8_t* spikes) const {
  const std::int64_t bytes = kernels::packed_bytes(shape.size());
  if (is_matrix_) return filters_ * count_bits(spikes, bytes, 0, shape.size());
  const std::int64_t k = pool.kind == model::Pool::kNone ? 1 : pool.factor, window = k * shape.channels;
  std::int64_t additions = 0;
  for (std::int64_t y = 0; y < shape.height / k; ++y) {
    for (std::int64_t x = 0; x < shape.width / k; ++x) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        sum += count_bits(spikes, bytes, ((y * k + i) * shape.width + x * k) * shape.channels, window);
      }
      additions += sum * synapses(y, x);
    }
  }
  return additions;
}

}  // namespace spikeloom::runtime
