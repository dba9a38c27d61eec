// CpuBackend::measure_crossovers: where event-driven and dense arithmetic take the same time.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

#include "spikeloom/backends/cpu/convert.h"
#include "spikeloom/backends/cpu/states.h"
#include "spikeloom/base/random.h"
#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/window_gradient.h"

namespace spikeloom::backends {
namespace {

using engine::Buffer;
using engine::Type;
using kernels::BFloat16;
using model::Stage;

constexpr double kMultiplications = 1e10;
constexpr int kRepetitions = 4;
// Densities that words of random bits give: 1/4 * 1/4 and 1/4 * 3/4.
constexpr double kSparse = 0.0625, kDense = 0.1875;

Buffer random_spikes(const kernels::PackedImages& images, bool dense) {
  const std::int64_t bytes = kernels::packed_bytes(images.neurons());
  Buffer spikes = allocate_host(images.num_steps * bytes, Type::kByte);
  RandomStream stream(1, RandomPurpose::kBench, dense ? 1 : 0);
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    std::uint8_t* const to = spikes.octets() + t * bytes;
    for (std::int64_t i = 0; i < bytes; i += 4) {
      const std::uint32_t a = stream.next_u32(), b = stream.next_u32(), c = stream.next_u32(),
                          d = stream.next_u32();
      const std::uint32_t bits = a & b & (dense ? (c | d) : (c & d));
      for (int k = 0; k < 4; ++k) to[i + k] = static_cast<std::uint8_t>(bits >> (8 * k));
    }
    for (std::int64_t i = images.neurons(); i < bytes * 8; ++i) kernels::set_bit(to, i, false);
  }
  return spikes;
}

/// What is compared; one that is not considered is empty.
struct Ways {
  std::function<void()> dense, integers;
  std::function<void(const Buffer&)> event;
};

/// Below how many spikes a neuron the event-driven way is the fastest, and whether integers are above.
struct Fastest {
  double event_below = 0.0;
  bool integers = false;
};

// The best of some times: what disturbs only adds. In turns, so that a busy moment meets all. The first is
// not counted.
Fastest compare(const Ways& ways, const Buffer& sparse_spikes, const Buffer& dense_spikes) {
  using Clock = std::chrono::steady_clock;
  const std::function<void()> all[] = {
      ways.dense, ways.integers, ways.event ? [&] { ways.event(sparse_spikes); } : std::function<void()>(),
      ways.event ? [&] { ways.event(dense_spikes); } : std::function<void()>()};
  double best[4] = {};
  for (int repetition = 0; repetition <= kRepetitions; ++repetition) {
    for (int i = 0; i < 4; ++i) {
      if (!all[i]) continue;
      const auto start = Clock::now();
      all[i]();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (repetition <= 1 || seconds < best[i]) best[i] = seconds;
    }
  }
  Fastest fastest;
  fastest.integers = ways.integers && best[1] < best[0];
  if (!ways.event) return fastest;
  // Where the line through the two event-driven times meets the other one.
  const double other = fastest.integers ? best[1] : best[0], slope = (best[3] - best[2]) / (kDense - kSparse);
  if (slope > 0.0) {
    fastest.event_below = std::clamp(kSparse + (other - best[2]) / slope, 0.0, 1.0);
  } else {
    fastest.event_below = best[3] < other ? 1.0 : 0.0;
  }
  return fastest;
}

}  // namespace

engine::EventLimits CpuBackend::measure(const Stage& stage, const kernels::PackedImages& all) {
  const model::Product& product = stage.product;
  const Type type = type_of(stage);
  kernels::PackedImages images = all;
  images.batch = 1;
  const auto one = *event_layer(images, product);
  const double multiplications =
      static_cast<double>(one.output_pixels()) * static_cast<double>(one.weight_rows() * one.filters);
  images.batch = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(std::ceil(kMultiplications / multiplications)), 1, all.batch);
  const auto layer = *event_layer(images, product);
  const Buffer sparse = random_spikes(images, false), dense = random_spikes(images, true);
  const Buffer values = slot_values(product.weight), weight = converted(values, type);
  const auto strides = weight_strides(product);
  const std::int64_t rows = images.num_steps * images.batch;
  const auto input = [&] {
    Buffer x = allocate(images.num_steps * images.pooled_neurons(), type);
    with_pointer(x, [&](auto* to) { kernels::cpu::unpack_spikes(images, sparse.octets(), to); });
    return x;
  };
  const double per_input = static_cast<double>(images.pool * images.pool);
  const bool rounds = compute_.precision == model::Precision::kBf16;
  const bool events = may_be_event(layer), integers = rounds && may_be_integers(layer);
  engine::EventLimits limits;
  Buffer current = products_->forward(product, rows, input(), weight, {}, false);
  if (rounds) {
    const auto by = [&](auto kernel, const Buffer& spikes) {
      const auto fixed = kernels::cpu::fixed_point_weights(layer, values.floats(), strides);
      with_pointer(current, [&](auto* to) { kernel(spikes.octets(), fixed, to); });
    };
    Ways ways;
    ways.dense = [&] { current = products_->forward(product, rows, input(), weight, {}, false); };
    if (integers) {
      ways.integers = [&] {
        by([&](const auto* spikes, const auto& fixed,
               auto* to) { kernels::cpu::integer_forward(layer, spikes, fixed, nullptr, to); },
           dense);
      };
    }
    if (events) {
      ways.event = [&](const Buffer& spikes) {
        by([&](const auto* bits, const auto& fixed,
               auto* to) { kernels::cpu::event_forward(layer, bits, fixed, nullptr, to); },
           spikes);
      };
    }
    const Fastest fastest = compare(ways, sparse, dense);
    limits.forward_below = per_input * fastest.event_below;
    limits.integer_currents = fastest.integers;
  }
  const Buffer gradient = allocate(current.count, type);
  with_pointer(gradient, [&](auto* to) {
    using Value = std::remove_reference_t<decltype(*to)>;
    std::fill(to, to + gradient.count, kernels::from_float<Value>(0.5f));
  });
  {
    const auto by = [&](auto kernel) {
      const Buffer sums = allocate(values.count, Type::kFloat);
      with_pointer(gradient, [&](const auto* from) { kernel(from, sums.floats()); });
    };
    Ways ways;
    ways.dense = [&] { products_->backward(product, rows, gradient, input(), weight, {false, true, false}); };
    if (integers) {
      ways.integers = [&] {
        by([&](const auto* from, float* to) {
          kernels::cpu::integer_weight_gradient(layer, dense.octets(), from, to, strides);
        });
      };
    }
    if (events) {
      ways.event = [&](const Buffer& spikes) {
        by([&](const auto* from, float* to) {
          kernels::cpu::event_weight_gradient(layer, spikes.octets(), from, to, strides);
        });
      };
    }
    const Fastest fastest = compare(ways, sparse, dense);
    limits.gradient_below = per_input * fastest.event_below;
    limits.integer_weight_gradient = fastest.integers;
  }
  const Stage& before = this->stage(stage.inputs.front().stage);
  Ways ways;
  const Buffer x = input(), grad_x = allocate(x.count, type);
  ways.dense = [&] { products_->backward(product, rows, gradient, x, weight, {true, false, false}); };
  if (integers) {
    ways.integers = [&] {
      with_pointer(grad_x, [&](auto* to) {
        using Value = std::remove_reference_t<decltype(*to)>;
        kernels::cpu::integer_input_gradient(layer, static_cast<const Value*>(gradient.data), values.floats(),
                                             strides, to);
      });
    };
  }
  if (events && product.is_convolution() && can_skip_closed_windows(layer, before.neuron.params, type)) {
    ways.event = [&](const Buffer& open) {
      kernels::cpu::window_gradient(layer, open.octets(), static_cast<const BFloat16*>(gradient.data),
                                    static_cast<const BFloat16*>(weight.data), strides,
                                    static_cast<BFloat16*>(grad_x.data));
    };
  }
  if (ways.integers || ways.event) {
    const Fastest fastest = compare(ways, sparse, dense);
    limits.input_gradient_below = fastest.event_below;
    limits.integer_input_gradient = fastest.integers;
  }
  return limits;
}

std::vector<Crossover> CpuBackend::measure_crossovers(std::int64_t batch) {
  std::vector<Crossover> measured;
  if (!compact() || compute_.path != model::Path::kAuto || !program_->spiking) return measured;
  const Slicing slices = slicing(batch, true, true);
  for (const Stage& stage : program_->stages) {
    if (!stage.reads_spikes()) continue;
    const model::Edge& edge = stage.inputs.front();
    const model::Shape& shape = this->stage(edge.stage).product.output;
    const kernels::PackedImages images{
        program_->num_steps, stage.number < slices.stages ? slices.samples : batch,
        shape.height,        shape.width,
        shape.channels,      edge.pool.factor};
    const auto layer = event_layer(images, stage.product);
    const bool rounds = compute_.precision == model::Precision::kBf16;
    if (!layer || !(may_be_event(*layer) || (rounds && may_be_integers(*layer)))) continue;
    auto& limits = limits_[static_cast<std::size_t>(stage.number)];
    limits = measure(stage, images);
    measured.push_back({stage.name, limits});
  }
  return measured;
}

}  // namespace spikeloom::backends
