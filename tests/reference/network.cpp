#include "tests/reference/network.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/engine/initialise.h"
#include "spikeloom/kernels/batch_norm_params.h"
#include "spikeloom/kernels/dropout_params.h"
#include "spikeloom/ops/avg_pool.h"
#include "spikeloom/ops/dropout.h"
#include "spikeloom/ops/layout.h"
#include "spikeloom/ops/lif.h"
#include "spikeloom/ops/neunorm.h"
#include "spikeloom/ops/voting.h"
#include "tests/ops/composition.h"

namespace spikeloom::reference {
namespace {

using model::Neuron;
using model::Pool;
using model::Stage;

std::size_t at_index(int index) { return static_cast<std::size_t>(index); }

at::Tensor first_value(const model::Slot& slot, at::ScalarType dtype) {
  // Scalars of a neuron stay in double: the operators take them by value.
  const auto options = at::TensorOptions(slot.role == model::Role::kNeuron ? at::kDouble : dtype);
  if (slot.role == model::Role::kConvolution && slot.shape.size() == 4) {
    return at::empty(slot.shape, options, at::MemoryFormat::ChannelsLast).zero_();
  }
  return at::zeros(slot.shape, options);
}

/// Stages have the numbers below.
constexpr std::uint64_t kRecurrentStream = 1 << 20;

// In memory order, a stream for each so many numbers, as engine::initialise does.
void fill_normal(at::Tensor& x, double deviation, std::uint64_t seed, std::uint64_t number) {
  constexpr std::int64_t kChunk = 1 << 14;
  const at::Tensor numbers = at::empty_like(x, at::kDouble);
  double* data = numbers.data_ptr<double>();
  for (std::int64_t start = 0; start < numbers.numel(); start += kChunk) {
    RandomStream stream(seed, RandomPurpose::kInit, number, static_cast<std::uint64_t>(start / kChunk));
    const std::int64_t end = std::min(numbers.numel(), start + kChunk);
    for (std::int64_t i = start; i < end; ++i) data[i] = deviation * stream.normal();
  }
  x.copy_(numbers);
}

at::Tensor pooled(const Pool& pool, const at::Tensor& x) {
  if (pool.kind == Pool::kNone) return x;
  if (pool.kind == Pool::kAverage) return ops::avg_pool(x, pool.factor);
  const at::Tensor y = at::max_pool2d(x.flatten(0, 1), {pool.factor, pool.factor});
  return y.unflatten(0, {x.size(0), x.size(1)});
}

}  // namespace

Network::Network(model::Program program, at::ScalarType dtype) : program_(std::move(program)), dtype_(dtype) {
  for (const model::Slot& slot : program_.slots) {
    parameters_.push_back({slot.name, first_value(slot, dtype), slot.role, slot.is_bias, slot.trained});
  }
  const auto fill = [&](int slot, double number) {
    if (slot != model::kNoSlot) at::Tensor(value(slot)).fill_(number);
  };
  for (const Stage& stage : program_.stages) {
    fill(stage.norm.scale, 1.0);
    fill(stage.norm.step_scale, 1.0);
    fill(stage.norm.variance, 1.0);
    fill(stage.neuron.decay, stage.neuron.params.decay);
    fill(stage.neuron.v_threshold, stage.neuron.params.v_threshold);
  }
  for (Parameter& parameter : parameters_) parameter.value.set_requires_grad(parameter.trained);
}

void Network::assign(const Values& values) {
  const at::NoGradGuard no_grad;
  for (Parameter& parameter : parameters_) {
    std::vector<float> numbers = values(parameter.name);
    if (static_cast<std::int64_t>(numbers.size()) != parameter.value.numel()) {
      throw ShapeError(parameter.name + " has " + std::to_string(parameter.value.numel()) + " values, not " +
                       std::to_string(numbers.size()));
    }
    parameter.value.copy_(at::from_blob(numbers.data(), parameter.value.sizes(), at::kFloat));
  }
}

void Network::randomise(std::uint64_t seed, double gain) {
  const at::NoGradGuard no_grad;
  for (const Stage& stage : program_.stages) {
    const double threshold = program_.spiking ? stage.neuron.params.v_threshold : engine::kReferenceThreshold;
    for (const int slot : {stage.product.weight, stage.recurrent}) {
      if (slot == model::kNoSlot) continue;
      at::Tensor weight = value(slot);
      const double deviation =
          engine::initial_standard_deviation(gain, threshold, weight.numel() / weight.size(0));
      const auto stream_number = static_cast<std::uint64_t>(stage.number);
      fill_normal(weight, deviation, seed,
                  slot == stage.recurrent ? kRecurrentStream + stream_number : stream_number);
    }
  }
}

at::Tensor Network::class_of() const {
  at::Tensor result = at::empty({static_cast<std::int64_t>(program_.class_of.size())}, at::kInt);
  std::copy(program_.class_of.begin(), program_.class_of.end(), result.data_ptr<std::int32_t>());
  return result;
}

void Network::clamp_neuron_parameters() {
  const at::NoGradGuard no_grad;
  for (const Stage& stage : program_.stages) {
    if (stage.neuron.decay != model::kNoSlot) at::Tensor(value(stage.neuron.decay)).clamp_(0.0, 1.0);
    if (stage.neuron.v_threshold != model::kNoSlot) {
      at::Tensor(value(stage.neuron.v_threshold)).clamp_min_(1e-6);
    }
  }
}

at::Tensor Network::prepare_input(const at::Tensor& input) const {
  const model::Shape& shape = program_.input;
  const bool fits = input.dim() == 5 && input.size(0) > 0 && input.size(1) > 0 &&
                    input.size(2) == shape.channels && input.size(3) == shape.height &&
                    input.size(4) == shape.width;
  if (!fits || (program_.spiking && input.size(0) != 1 && input.size(0) != program_.num_steps)) {
    std::ostringstream text;
    text << "network input must be [T, N, C, H, W] with T = " << program_.num_steps
         << " (or 1: a still image), N at least 1 and C x H x W = " << model::to_string(shape) << ", not "
         << input.sizes();
    throw ShapeError(text.str());
  }
  const at::Tensor x = input.to(dtype_);
  return ops::channels_last(program_.spiking ? x : x.mean(0, true));
}

at::Tensor Network::edge(const model::Edge& edge, const at::Tensor& input) const {
  if (edge.stage == model::kInput) return pooled(edge.pool, input);
  const at::Tensor& spikes = outputs_[at_index(edge.stage)];
  if (edge.neunorm_u == model::kNoSlot) return pooled(edge.pool, spikes);
  const kernels::NeuNormParams& params = program_.stages[at_index(edge.stage)].neunorm;
  const auto neunorm = [&](const at::Tensor& x) {
    return ops::neunorm(x, value(edge.neunorm_u), params.decay, params.coefficient);
  };
  return edge.neunorm_after_pool ? neunorm(pooled(edge.pool, spikes)) : pooled(edge.pool, neunorm(spikes));
}

at::Tensor Network::gather(const Stage& stage, const at::Tensor& input, const ForwardOptions& options) const {
  at::Tensor sum;
  for (const model::Edge& one : stage.inputs) {
    const at::Tensor x = edge(one, input);
    sum = sum.defined() ? sum + x : x;
  }
  if (!options.training || stage.dropout == 0.0) return sum;
  ops::DropoutOptions draw;
  draw.rate = stage.dropout;
  draw.same_mask_each_step = stage.same_mask_each_step;
  draw.key = stream_key(options.seed, RandomPurpose::kDropout);
  draw.counter = kernels::dropout_counter(stage.number, options.iteration);
  // Masks follow the memory order.
  return ops::dropout(sum.dim() == 5 ? ops::channels_last(sum) : sum.contiguous(), draw);
}

at::Tensor Network::product(const Stage& stage, const at::Tensor& gathered) const {
  const model::Product& product = stage.product;
  const at::Tensor bias = product.bias == model::kNoSlot ? at::Tensor() : value(product.bias);
  const std::int64_t steps = gathered.size(0), samples = gathered.size(1);
  if (product.is_convolution()) {
    return at::conv2d(gathered.flatten(0, 1), value(product.weight), bias, product.stride, product.padding)
        .unflatten(0, {steps, samples});
  }
  // The weights' columns are ordered (h, w, c).
  const at::Tensor x = gathered.dim() == 5 ? gathered.movedim(-3, -1) : gathered;
  return at::linear(x.reshape({steps * samples, -1}), value(product.weight), bias).view({steps, samples, -1});
}

// In double whatever the dtype: sums over a batch are long.
at::Tensor Network::normalise(const model::Norm& norm, const at::Tensor& current, bool training) {
  const at::Tensor x = current.to(at::kDouble);
  std::vector<std::int64_t> rows{0, 1}, by_channel(at_index(static_cast<int>(x.dim())), 1);
  for (std::int64_t d = 3; d < x.dim(); ++d) rows.push_back(d);
  by_channel[2] = x.size(2);
  const auto of_channel = [&](int slot) { return value(slot).to(at::kDouble).view(by_channel); };
  at::Tensor mean = of_channel(norm.mean), variance = of_channel(norm.variance);
  if (training) {
    mean = x.mean(rows, true);
    variance = (x - mean).square().mean(rows, true);
    const at::NoGradGuard no_grad;
    const double count = static_cast<double>(x.numel() / x.size(2));
    const at::Tensor unbiased = variance * (count > 1.0 ? count / (count - 1.0) : 1.0);
    for (const auto& [slot, newest] : {std::pair{norm.mean, mean}, {norm.variance, unbiased}}) {
      at::Tensor running = value(slot);
      running.copy_((1.0 - norm.momentum) * running.to(at::kDouble) + norm.momentum * newest.flatten());
    }
  }
  const at::Tensor normal = (x - mean) / (variance + norm.epsilon).sqrt();
  at::Tensor y = norm.factor * of_channel(norm.scale) * normal + of_channel(norm.shift);
  if (norm.step_scale != model::kNoSlot) {
    std::vector<std::int64_t> by_step(by_channel.size(), 1);
    by_step[0] = value(norm.step_scale).numel();
    y = value(norm.step_scale).to(at::kDouble).view(by_step) * y;
  }
  return y.to(current.scalar_type());
}

at::Tensor Network::fire(const Stage& stage, const at::Tensor& current, StageActivity& activity) const {
  const Neuron& neuron = stage.neuron;
  if (neuron.kind == Neuron::kNone) return {};
  if (neuron.kind == Neuron::kRelu) return at::relu(current);
  if (!neuron.fires()) return current;
  const auto scalar = [&](int slot, double fixed) {
    return slot != model::kNoSlot ? value(slot) : at::scalar_tensor(fixed, at::kDouble);
  };
  const at::Tensor decay = scalar(neuron.decay, neuron.params.decay),
                   v_threshold = scalar(neuron.v_threshold, neuron.params.v_threshold);
  at::Tensor spikes;
  if (kernels::is_plain(neuron.params) && stage.recurrent == model::kNoSlot) {
    const auto result = ops::lif(current, decay, v_threshold, program_.num_steps, neuron.params);
    spikes = result.spikes;
    activity.spike_count = result.spike_count;
  } else {
    ops::test::PlainLifOptions options;
    if (stage.recurrent != model::kNoSlot) options.recurrent_weight = value(stage.recurrent);
    spikes =
        ops::test::plain_lif(current, decay, v_threshold, program_.num_steps, neuron.params, options).spikes;
    if (spikes.dim() == 5) spikes = ops::channels_last(spikes);
    activity.spike_count = spikes.detach().sum(at::kDouble).round().to(at::kLong);
  }
  activity.neuron_steps = spikes.numel();
  return spikes;
}

at::Tensor Network::forward(const at::Tensor& input, const ForwardOptions& options) {
  const at::Tensor x = prepare_input(input);
  outputs_.assign(program_.stages.size(), at::Tensor());
  std::vector<at::Tensor> currents;
  for (const Stage& stage : program_.stages) {
    at::Tensor current = product(stage, gather(stage, x, options));
    if (stage.norm.kind != model::Norm::kNone) current = normalise(stage.norm, current, options.training);
    for (const int shortcut : stage.shortcuts) current = current + currents[at_index(shortcut)];
    StageActivity activity{stage.name, at::zeros({}, at::kLong)};
    outputs_[currents.size()] = fire(stage, current, activity);
    currents.push_back(current);
    if (options.activity != nullptr) options.activity->push_back(activity);
  }
  const at::Tensor last = std::move(outputs_.back());
  outputs_.clear();
  if (program_.stages.back().neuron.kind == Neuron::kReadout) return last.mean(0);
  return ops::voting(last, class_of(), program_.num_classes);
}

}  // namespace spikeloom::reference
