// Batch normalisation between product and neurons, and sums of currents.
#include <algorithm>
#include <cstring>

#include "spikeloom/backends/cpu/convert.h"
#include "spikeloom/backends/cpu/states.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/batch_norm.h"

namespace spikeloom::backends {
namespace {

using engine::Buffer;
using engine::Type;
using model::Stage;

// Each step its own copy of the only one.
Buffer repeated(const Buffer& step, std::int64_t num_steps) {
  Buffer all = allocate_host(num_steps * step.count, step.type);
  for (std::int64_t t = 0; t < num_steps; ++t) {
    std::memcpy(all.octets() + t * step.bytes(), step.data, static_cast<std::size_t>(step.bytes()));
  }
  return all;
}

// Rows of the whole batch, where these samples have so many of them.
std::int64_t of_whole(std::int64_t rows, const engine::Samples& samples) {
  return rows / samples.count * samples.whole;
}

// Moments of these samples -> [parts, channels] of all processes'. Returns how many parts.
std::int64_t exchange_moments(const engine::Samples& samples, const engine::Pass& pass,
                              std::vector<kernels::ChannelMoments>& moments) {
  if (pass.statistics == nullptr) return 1;
  std::vector<double> own;
  own.reserve(3 * moments.size());
  for (const auto& channel : moments) {
    if (samples.spare) {
      own.insert(own.end(), 3, 0.0);
    } else {
      own.insert(own.end(), {channel.rows, channel.mean, channel.squares});
    }
  }
  const std::vector<double> all = pass.statistics->gather(own);
  const std::size_t parts = all.size() / own.size();
  moments.resize(parts * moments.size());
  for (std::size_t i = 0; i < moments.size(); ++i) moments[i] = {all[3 * i], all[3 * i + 1], all[3 * i + 2]};
  return static_cast<std::int64_t>(parts);
}

// Adds the other processes' sums, in their order. False where there are none.
bool add_other_sums(const engine::Pass& pass, std::vector<double>& sums) {
  if (pass.statistics == nullptr) return false;
  const std::vector<double> all = pass.statistics->gather(sums);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = all[i];
  for (std::size_t i = sums.size(); i < all.size(); ++i) sums[i % sums.size()] += all[i];
  return true;
}

}  // namespace

// Normalised currents are linear in the product's: y = slope (W x + b - mean) + shift, so that inference
// needs but other weights. A scale of its own for each step (TEBN) has no place in them.
bool CpuBackend::folds(const Stage& stage, const engine::Pass& pass) const {
  return !pass.keep && stage.norm.kind == model::Norm::kTdbn;
}

Buffer CpuBackend::weight_values(const Stage& stage, bool folded) const {
  const Buffer values = slot_values(stage.product.weight);
  if (!folded) return values;
  Buffer result = allocate_host(values.count, Type::kFloat);
  const std::int64_t filters = stage.product.output.channels, row = values.count / filters;
  const kernels::BatchNormParams params{stage.norm.epsilon, stage.norm.factor};
  for (std::int64_t f = 0; f < filters; ++f) {
    const auto slope = static_cast<float>(kernels::batch_norm_slope(
        params, slot_values(stage.norm.scale).floats()[f], slot_values(stage.norm.variance).floats()[f]));
    for (std::int64_t i = f * row; i < (f + 1) * row; ++i) result.floats()[i] = slope * values.floats()[i];
  }
  return result;
}

Buffer CpuBackend::bias_values(const Stage& stage, bool folded) const {
  const Buffer bias = slot_values(stage.product.bias);
  if (!folded) return bias;
  const std::int64_t filters = stage.product.output.channels;
  Buffer result = allocate_host(filters, Type::kFloat);
  const kernels::BatchNormParams params{stage.norm.epsilon, stage.norm.factor};
  for (std::int64_t f = 0; f < filters; ++f) {
    const double slope = kernels::batch_norm_slope(params, slot_values(stage.norm.scale).floats()[f],
                                                   slot_values(stage.norm.variance).floats()[f]);
    result.floats()[f] = kernels::batch_norm_folded_bias(slope, bias ? bias.floats()[f] : 0.0f,
                                                         slot_values(stage.norm.mean).floats()[f],
                                                         slot_values(stage.norm.shift).floats()[f]);
  }
  return result;
}

Buffer CpuBackend::normalise(const Stage& stage, Buffer current, engine::Samples& samples,
                             const engine::Pass& pass) {
  if (stage.norm.kind == model::Norm::kNone) return current;
  if (folds(stage, pass)) return current;  // the weights did it
  const bool by_step = stage.norm.kind == model::Norm::kTebn;
  const std::int64_t whole = program_->num_steps * samples.count * stage.product.output.size();
  const std::int64_t distinct_rows = current.count / stage.product.output.channels;
  if (by_step && current.count != whole) current = repeated(current, program_->num_steps);
  const std::int64_t channels = stage.product.output.channels;
  const std::int64_t groups = current.count == whole ? program_->num_steps : 1;
  const kernels::BatchNormSize size{groups, current.count / channels / groups, channels};
  const kernels::BatchNormParams params{stage.norm.epsilon, stage.norm.factor};
  const kernels::BatchNormAffine<float> affine{slot_values(stage.norm.scale).floats(),
                                               slot_values(stage.norm.shift).floats(),
                                               slot_values(stage.norm.step_scale).floats()};
  const Buffer running_mean = slot_values(stage.norm.mean),
               running_variance = slot_values(stage.norm.variance);
  Buffer mean = running_mean, variance = running_variance;
  if (pass.keep) {
    mean = allocate(channels, Type::kFloat);
    variance = allocate(channels, Type::kFloat);
    std::vector<kernels::ChannelMoments> moments(static_cast<std::size_t>(channels));
    with_pointer(current, [&](const auto* x) { kernels::cpu::batch_norm_moments(size, x, moments.data()); });
    const std::int64_t parts = exchange_moments(samples, pass, moments);
    kernels::cpu::batch_norm_combine(parts, channels, moments.data(), mean.floats(), variance.floats());
    kernels::cpu::batch_norm_update_running(channels, of_whole(distinct_rows, samples), stage.norm.momentum,
                                            {mean.floats(), variance.floats()}, running_mean.floats(),
                                            running_variance.floats());
  }
  Buffer normalised = pass.keep ? allocate(current.count, current.type) : current;
  with_pointer(current, [&](const auto* x) {
    using Value = std::remove_const_t<std::remove_reference_t<decltype(*x)>>;
    kernels::cpu::batch_norm_normalise(size, params, {mean.floats(), variance.floats()}, affine, x,
                                       static_cast<Value*>(normalised.data));
  });
  if (pass.keep) {
    auto& state = static_cast<ProductState&>(*samples.stages[at(stage.number)].product);
    state.normalised_input = std::move(current);
    state.normalised_rows = distinct_rows;
    state.mean = mean;
    state.variance = variance;
  }
  return normalised;
}

Buffer CpuBackend::normalise_backward(const Stage& stage, engine::Samples& samples, Buffer gradient,
                                      const engine::Pass& pass) {
  if (stage.norm.kind == model::Norm::kNone) return gradient;
  auto& state = static_cast<ProductState&>(*samples.stages[at(stage.number)].product);
  const Buffer x = std::move(state.normalised_input);
  state.normalised_input.reset();
  const std::int64_t channels = stage.product.output.channels;
  const std::int64_t whole = program_->num_steps * samples.count * stage.product.output.size();
  const std::int64_t groups = x.count == whole ? program_->num_steps : 1;
  const kernels::BatchNormSize size{groups, x.count / channels / groups, channels};
  const kernels::BatchNormParams params{stage.norm.epsilon, stage.norm.factor};
  const kernels::BatchNormStatistics<float> statistics{state.mean.floats(), state.variance.floats()};
  const kernels::BatchNormAffine<float> affine{slot_values(stage.norm.scale).floats(),
                                               slot_values(stage.norm.shift).floats(),
                                               slot_values(stage.norm.step_scale).floats()};
  Buffer scale = allocate(channels, Type::kFloat), shift = allocate(channels, Type::kFloat), step_scale;
  if (stage.norm.step_scale != model::kNoSlot) step_scale = allocate(groups, Type::kFloat);
  std::vector<double> sums(static_cast<std::size_t>(groups * 2 * channels)),
      totals(static_cast<std::size_t>(2 * channels));
  gradient = converted(gradient, x.type);
  Buffer result = allocate(x.count, x.type);
  with_pointer(x, [&](const auto* values) {
    using Value = std::remove_const_t<std::remove_reference_t<decltype(*values)>>;
    const auto* const grad_y = static_cast<const Value*>(gradient.data);
    kernels::cpu::batch_norm_backward_sums(size, params, statistics, grad_y, values, sums.data());
    kernels::cpu::batch_norm_parameter_gradients(size, params, affine, sums.data(),
                                                 {scale.floats(), shift.floats(), step_scale.floats()},
                                                 totals.data());
    // Scale and shift are summed with the other gradients; a value's gradient needs all sums now.
    if (add_other_sums(pass, sums)) {
      std::vector<float> unused(static_cast<std::size_t>(2 * channels + groups));
      kernels::cpu::batch_norm_parameter_gradients(
          size, params, affine, sums.data(),
          {unused.data(), unused.data() + channels, step_scale ? unused.data() + 2 * channels : nullptr},
          totals.data());
    }
    kernels::cpu::batch_norm_backward(size, params, statistics, affine, of_whole(size.rows(), samples),
                                      totals.data(), grad_y, values, static_cast<Value*>(result.data));
  });
  // A sample that is counted elsewhere had no part in the moments.
  if (samples.spare) memory_.fill_zero(result);
  add_gradient(stage.norm.scale, std::move(scale));
  add_gradient(stage.norm.shift, std::move(shift));
  if (step_scale) add_gradient(stage.norm.step_scale, std::move(step_scale));
  return sum_steps(std::move(result), state.normalised_rows * channels);
}

Buffer CpuBackend::add(Buffer a, const Buffer& b) {
  const std::int64_t count = std::max(a.count, b.count);
  Buffer sum = allocate(count, a.type);
  with_pointer(a, [&](const auto* first) {
    using Value = std::remove_const_t<std::remove_reference_t<decltype(*first)>>;
    auto* const to = static_cast<Value*>(sum.data);
    with_pointer(b, [&](const auto* second) {
      for (std::int64_t start = 0; start < count; start += std::min(a.count, b.count)) {
        const auto* const x = first + start % a.count;
        const auto* const y = second + start % b.count;
        const std::int64_t length = std::min(a.count, b.count);
#pragma omp parallel for simd schedule(static) num_threads(num_threads()) if (length >= 1 << 15)
        for (std::int64_t i = 0; i < length; ++i) {
          to[start + i] = kernels::from_float<Value>(kernels::to_float(x[i]) + kernels::to_float(y[i]));
        }
      }
    });
  });
  return sum;
}

Buffer CpuBackend::sum_steps(Buffer gradient, std::int64_t count) {
  if (gradient.count == count) return gradient;
  Buffer sum = allocate(count, gradient.type);
  const std::int64_t steps = gradient.count / count;
  with_pointer(gradient, [&](const auto* from) {
    using Value = std::remove_const_t<std::remove_reference_t<decltype(*from)>>;
    auto* const to = static_cast<Value*>(sum.data);
#pragma omp parallel for schedule(static) num_threads(num_threads()) if (count >= 1 << 15)
    for (std::int64_t i = 0; i < count; ++i) {
      float total = 0.0f;
      for (std::int64_t t = steps - 1; t >= 0; --t) total += kernels::to_float(from[t * count + i]);
      to[i] = kernels::from_float<Value>(total);
    }
  });
  return sum;
}

}  // namespace spikeloom::backends
