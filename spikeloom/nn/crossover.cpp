#include "spikeloom/nn/crossover.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "spikeloom/base/random.h"
#include "spikeloom/nn/dense_product.h"

namespace spikeloom::nn {
namespace {

constexpr double kMultiplications = 1e10;
constexpr int kRepetitions = 3;
// Densities that words of random bits give: 1/4 * 1/4 and 1/4 * 3/4.
constexpr double kSparse = 0.0625, kDense = 0.1875;

at::Tensor random_spikes(const kernels::PackedImages& images, bool dense) {
  const std::int64_t bytes = kernels::packed_bytes(images.neurons());
  const at::Tensor spikes = at::empty({images.num_steps, bytes}, at::kByte);
  RandomStream stream(1, RandomPurpose::kBench, dense ? 1 : 0);
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    std::uint8_t* const to = spikes.data_ptr<std::uint8_t>() + t * bytes;
    for (std::int64_t i = 0; i < bytes; i += 4) {
      const std::uint32_t a = stream.next_u32(), b = stream.next_u32(), c = stream.next_u32(), d = stream.next_u32();
      const std::uint32_t bits = a & b & (dense ? (c | d) : (c & d));
      for (int k = 0; k < 4; ++k) to[i + k] = static_cast<std::uint8_t>(bits >> (8 * k));
    }
    for (std::int64_t i = images.neurons(); i < bytes * 8; ++i) kernels::set_bit(to, i, false);
  }
  return spikes;
}

// Seconds, the best of some: what disturbs only adds. The first is not counted.
template <class Function>
double time_of(const Function& function) {
  using Clock = std::chrono::steady_clock;
  double best = 0.0;
  for (int i = 0; i <= kRepetitions; ++i) {
    const auto start = Clock::now();
    function();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (i == 1 || seconds < best) best = seconds;
  }
  return best;
}

// Where the line through the two event-driven times meets the dense one, in spikes a neuron.
double meeting(double dense, double at_sparse, double at_dense) {
  const double slope = (at_dense - at_sparse) / (kDense - kSparse);
  if (!(slope > 0.0)) return at_dense < dense ? 1.0 : 0.0;
  return std::clamp(kSparse + (dense - at_sparse) / slope, 0.0, 1.0);
}

}  // namespace

EventLimits measure_event_limits(const model::ComputeSettings& compute, const kernels::PackedImages& all,
                                 const model::LayerPlan& plan, const at::Tensor& weight, at::ScalarType dtype) {
  kernels::PackedImages images = all;
  images.batch = 1;
  const auto one = *event_layer(images, plan);
  const double multiplications =
      static_cast<double>(one.output_pixels()) * static_cast<double>(one.weight_rows() * one.filters);
  images.batch = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(kMultiplications / multiplications)), 1,
                                          all.batch);
  const auto layer = *event_layer(images, plan);
  const at::Tensor sparse = random_spikes(images, false), dense = random_spikes(images, true);
  const at::Tensor values = weight.detach(), converted = values.to(dtype);
  const bool is_convolution = plan.spec.kind == model::LayerKind::kConvolution;
  const auto input = [&] {
    const at::Tensor x = unpack(images, sparse, dtype);
    return is_convolution ? x : x.movedim(1, -1).reshape({x.size(0), -1});
  };
  const double per_input = static_cast<double>(images.pool * images.pool);
  EventLimits limits = fixed_limits(compute);
  at::Tensor current = dense_current(plan, input(), converted, {});
  if (compute.precision == model::Precision::kBf16) {
    const double dense_time = time_of([&] { current = dense_current(plan, input(), converted, {}); });
    const auto event_time = [&](const at::Tensor& spikes) {
      return time_of([&] {
        current = event_current(layer, spikes, fixed_weights(layer, values), {}, is_convolution, dtype);
      });
    };
    limits.forward_below = per_input * meeting(dense_time, event_time(sparse), event_time(dense));
  }
  const at::Tensor gradient = at::full_like(current, 0.5);
  const double dense_time = time_of([&] { dense_backward(plan, gradient, input(), converted, {false, true, false}); });
  const auto event_time = [&](const at::Tensor& spikes) {
    return time_of([&] { event_weight_gradient(layer, spikes, gradient, values); });
  };
  limits.gradient_below = per_input * meeting(dense_time, event_time(sparse), event_time(dense));
  return limits;
}

}  // namespace spikeloom::nn
