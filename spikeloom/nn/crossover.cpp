#include "spikeloom/nn/crossover.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>

#include "spikeloom/base/random.h"
#include "spikeloom/nn/dense_product.h"

namespace spikeloom::nn {
namespace {

constexpr double kMultiplications = 1e10;
constexpr int kRepetitions = 4;
// Densities that words of random bits give: 1/4 * 1/4 and 1/4 * 3/4.
constexpr double kSparse = 0.0625, kDense = 0.1875;

at::Tensor random_spikes(const kernels::PackedImages& images, bool dense) {
  const std::int64_t bytes = kernels::packed_bytes(images.neurons());
  const at::Tensor spikes = at::empty({images.num_steps, bytes}, at::kByte);
  RandomStream stream(1, RandomPurpose::kBench, dense ? 1 : 0);
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    std::uint8_t* const to = spikes.data_ptr<std::uint8_t>() + t * bytes;
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

struct Times {
  double dense, at_sparse, at_dense;
};

// Seconds, the best of some: what disturbs only adds. In turns, so that a busy moment meets all. The first is
// not counted.
Times best_times(const std::function<void()>& dense, const std::function<void(const at::Tensor&)>& event,
                 const at::Tensor& sparse_spikes, const at::Tensor& dense_spikes) {
  using Clock = std::chrono::steady_clock;
  const std::function<void()> all[] = {dense, [&] { event(sparse_spikes); }, [&] { event(dense_spikes); }};
  double best[3] = {};
  for (int repetition = 0; repetition <= kRepetitions; ++repetition) {
    for (int i = 0; i < 3; ++i) {
      const auto start = Clock::now();
      all[i]();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (repetition <= 1 || seconds < best[i]) best[i] = seconds;
    }
  }
  return {best[0], best[1], best[2]};
}

// Where the line through the two event-driven times meets the dense one, in spikes a neuron.
double meeting(const Times& times) {
  const double slope = (times.at_dense - times.at_sparse) / (kDense - kSparse);
  if (!(slope > 0.0)) return times.at_dense < times.dense ? 1.0 : 0.0;
  return std::clamp(kSparse + (times.dense - times.at_sparse) / slope, 0.0, 1.0);
}

}  // namespace

EventLimits measure_event_limits(const model::ComputeSettings& compute, const kernels::PackedImages& all,
                                 const model::LayerPlan& plan, const at::Tensor& weight, at::ScalarType dtype,
                                 const kernels::NeuronParams& neurons_before) {
  kernels::PackedImages images = all;
  images.batch = 1;
  const auto one = *event_layer(images, plan);
  const double multiplications =
      static_cast<double>(one.output_pixels()) * static_cast<double>(one.weight_rows() * one.filters);
  images.batch = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(std::ceil(kMultiplications / multiplications)), 1, all.batch);
  const auto layer = *event_layer(images, plan);
  const at::Tensor sparse = random_spikes(images, false), dense = random_spikes(images, true);
  const at::Tensor values = weight.detach(), converted = values.to(dtype);
  const bool is_convolution = plan.spec.kind == model::LayerKind::kConvolution;
  const auto input = [&] {
    const at::Tensor x = unpack(images, sparse, dtype);
    return is_convolution ? x : x.movedim(1, -1).reshape({x.size(0), -1});
  };
  const double per_input = static_cast<double>(images.pool * images.pool);
  EventLimits limits = fixed_limits(compute, layer.filters);
  at::Tensor current = dense_current(plan, input(), converted, {});
  if (compute.precision == model::Precision::kBf16) {
    const auto times = best_times([&] { current = dense_current(plan, input(), converted, {}); },
                                  [&](const at::Tensor& spikes) {
                                    current = event_current(layer, spikes, fixed_weights(layer, values), {},
                                                            is_convolution, dtype);
                                  },
                                  sparse, dense);
    limits.forward_below = per_input * meeting(times);
  }
  const at::Tensor gradient = at::full_like(current, 0.5);
  limits.gradient_below =
      per_input *
      meeting(best_times(
          [&] {
            dense_backward(plan, gradient, input(), converted, {false, true, false});
          },
          [&](const at::Tensor& spikes) { event_weight_gradient(layer, spikes, gradient, values); }, sparse,
          dense));
  if (is_convolution && can_skip_closed_windows(layer, neurons_before, dtype)) {
    const at::Tensor x = input();
    limits.input_gradient_below = meeting(best_times(
        [&] {
          dense_backward(plan, gradient, x, converted, {true, false, false});
        },
        [&](const at::Tensor& open) { window_gradient(layer, open, gradient, converted); }, sparse, dense));
  }
  return limits;
}

}  // namespace spikeloom::nn
