#include "spikeloom/nn/compact_chain.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <tuple>

#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/v_pre_code.h"
#include "spikeloom/nn/crossover.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/ops/avg_pool.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

using kernels::BFloat16;
using model::LayerKind;

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Notes the time of a layer's backward pass where it is asked for.
class LayerTimer {
 public:
  LayerTimer(std::vector<LayerCost>* costs, std::size_t layer, Clock::time_point start)
      : cost_(costs != nullptr ? &(*costs)[layer] : nullptr), start_(start) {}
  LayerTimer(const LayerTimer&) = delete;
  LayerTimer& operator=(const LayerTimer&) = delete;
  ~LayerTimer() {
    if (cost_ != nullptr) cost_->backward_ms = milliseconds_since(start_);
  }

 private:
  LayerCost* cost_;
  Clock::time_point start_;
};

// Room for what the neurons of a layer keep for backward.
void make_state(const kernels::LifSize& size, CompactLayerState& kept) {
  if (!kernels::closes(kept.neuron.surrogate)) {
    kept.all_codes = at::empty({size.num_steps, size.neurons}, at::kByte);
    return;
  }
  kept.open = at::empty({size.num_steps, kernels::packed_bytes(size.neurons)}, at::kByte);
  if (kernels::compact_state(kept.neuron) == kernels::CompactState::kWindowBit) return;
  kept.codes = std::make_unique<kernels::cpu::CodeStore>(size.neurons, size.num_steps);
}

kernels::cpu::CompactLifState state_of(const CompactLayerState& kept) {
  kernels::cpu::CompactLifState state;
  if (kept.open.defined()) state.open = kept.open.data_ptr<std::uint8_t>();
  if (kept.all_codes.defined()) state.all_codes = kept.all_codes.data_ptr<std::uint8_t>();
  state.codes = kept.codes.get();
  return state;
}

std::int64_t saved_bytes(const CompactLayerState& kept) {
  std::int64_t bytes = kept.spikes.numel();
  if (kept.open.defined()) bytes += kept.open.numel();
  if (kept.all_codes.defined()) bytes += kept.all_codes.numel();
  return bytes + (kept.codes ? kept.codes->bytes() : 0);
}

bool is_convolution(const CompactLayer& layer) {
  return layer.block->plan().spec.kind == LayerKind::kConvolution;
}

}  // namespace

bool CompactChain::supports(const model::NetworkSettings& settings, at::ScalarType dtype) {
  return settings.kind == model::NetworkKind::kSpiking &&
         settings.compute.state == model::StateMode::kCompact && dtype == at::kFloat &&
         !settings.learn_decay && !settings.learn_v_threshold && !settings.neuron.smooth;
}

CompactChain::CompactChain(const std::vector<std::unique_ptr<Block>>& blocks,
                           const model::NetworkSettings& settings)
    : dtype_(settings.compute.precision == model::Precision::kBf16 && kernels::cpu::has_fast_bfloat16()
                 ? at::kBFloat16
                 : at::kFloat),
      compute_(settings.compute) {
  for (const auto& block : blocks) {
    if (auto* weights = dynamic_cast<WeightBlock*>(block.get())) {
      layers_.push_back({weights,
                         {},
                         !weights->neunorm_u().defined(),
                         fixed_limits(settings.compute, weights->plan().output.channels),
                         {}});
      for (const at::Tensor& parameter : {weights->weight(), weights->bias(), weights->neunorm_u()}) {
        if (parameter.defined()) parameters_.push_back(parameter);
      }
    } else {
      auto* pool = static_cast<PoolBlock*>(block.get());
      CompactLayer& layer = layers_.back();
      layer.pools.push_back(pool);
      if (pool->neunorm_u().defined()) parameters_.push_back(pool->neunorm_u());
      layer.fused = layer.fused && layer.pools.size() == 1 && !pool->neunorm_u().defined();
    }
  }
}

std::size_t CompactChain::parameter_index(const at::Tensor& parameter) const {
  std::size_t i = 0;
  while (!parameters_[i].is_same(parameter)) ++i;
  return i;
}

// NeuNorm and poolings that the packed kernels do not do themselves: [T, N, C, H, W] -> the same.
at::Tensor CompactChain::between(const CompactLayer& layer, const at::Tensor& spikes) const {
  at::Tensor x = spikes;
  if (layer.block->neunorm_u().defined())
    x = apply_neunorm(x, layer.block->neunorm_u(), layer.block->neunorm());
  for (PoolBlock* pool : layer.pools) x = pool->forward(x, {});
  return x;
}

at::Tensor CompactChain::drop(std::size_t layer, const CompactState& state, const at::Tensor& x) const {
  const auto draw = layers_[layer].block->dropout(state.options);
  if (draw.rate <= 0.0) return x;
  // The mask follows memory order, which is the same for [T * N, ...] and [T, N, ...].
  const std::int64_t steps = state.layers.front().images.num_steps;
  const at::Tensor split = x.unflatten(0, {steps, x.size(0) / steps});
  return ops::dropout(split, draw).flatten(0, 1);
}

EventChoice CompactChain::choose(std::size_t layer, const CompactState& state) const {
  if (layer == 0) return {};
  const CompactLayerState& before = state.layers[layer - 1];
  // NeuNorm, several poolings and dropout make other values of the spikes.
  if (!layers_[layer - 1].fused || layers_[layer].block->dropout(state.options).rate > 0.0) return {};
  const auto events = event_layer(before.images, layers_[layer].block->plan());
  if (!events) return {};
  const auto values = static_cast<double>(before.images.num_steps * before.images.pooled_neurons());
  return choose_event(compute_, layers_[layer].limits, *events,
                      static_cast<double>(before.spike_count) / std::max(values, 1.0));
}

LayerCrossover CompactChain::crossover_of(std::size_t layer) const {
  const EventLimits& limits = layers_[layer].limits;
  return {layers_[layer].block->name(), limits.forward_below, limits.gradient_below,
          limits.input_gradient_below};
}

at::Tensor CompactChain::skip_windows(std::size_t layer, const CompactState& state, double& share) const {
  if (layer == 0 || compute_.path == model::Path::kDense || !layers_[layer - 1].fused ||
      !is_convolution(layers_[layer])) {
    return {};
  }
  const CompactLayerState& before = state.layers[layer - 1];
  const auto events = event_layer(before.images, layers_[layer].block->plan());
  const bool always = compute_.path == model::Path::kEvent;
  if (!events || !(always || may_be_event(*events))) return {};
  if (!before.open.defined() || !can_skip_closed_windows(*events, before.neuron, dtype_of(layer))) return {};
  share = static_cast<double>(before.open_count) /
          static_cast<double>(before.images.num_steps * before.images.neurons());
  return always || share < layers_[layer].limits.input_gradient_below ? before.open : at::Tensor();
}

std::vector<LayerCrossover> CompactChain::measure_crossovers(std::int64_t batch) {
  const at::NoGradGuard no_grad;
  std::vector<LayerCrossover> measured;
  if (compute_.path != model::Path::kAuto) return measured;
  for (std::size_t l = 1; l < layers_.size(); ++l) {
    const CompactLayer& before = layers_[l - 1];
    if (!before.fused) continue;
    const auto& shape = before.block->plan().output;
    kernels::PackedImages images{
        before.block->num_steps(), batch, shape.height, shape.width, shape.channels, 1};
    if (!before.pools.empty()) images.pool = before.pools.front()->plan().spec.kernel;
    const WeightBlock& block = *layers_[l].block;
    const auto events = event_layer(images, block.plan());
    if (!events || !may_be_event(*events)) continue;
    layers_[l].limits = measure_event_limits(compute_, images, block.plan(), block.weight(), dtype_of(l),
                                             before.block->neuron());
    measured.push_back(crossover_of(l));
  }
  return measured;
}

bool CompactChain::set_crossover(const LayerCrossover& crossover) {
  for (CompactLayer& layer : layers_) {
    if (layer.block->name() != crossover.layer) continue;
    layer.limits = {crossover.forward_below, crossover.gradient_below, crossover.input_gradient_below};
    return true;
  }
  return false;
}

std::string CompactChain::path_of(std::size_t layer, EventChoice event) const {
  const std::string dense = dtype_of(layer) == at::kBFloat16 ? "dense bf16" : "dense fp32";
  if (event.forward == event.weight_gradient) return event.forward ? "event" : dense;
  return event.forward ? "event, gradient " + dense : dense + ", gradient event";
}

// What layer > 0 multiplies its weights with: [T * N, C, H, W], or [T * N, values] for a fully connected one.
at::Tensor CompactChain::layer_input(std::size_t layer, const CompactState& state) const {
  const CompactLayerState& before = state.layers[layer - 1];
  at::Tensor x;
  if (layers_[layer - 1].fused) {
    x = unpack(before.images, before.spikes, dtype_);
  } else {
    const auto& images = before.images;
    const at::Tensor spikes =
        unpack(images, before.spikes, at::kFloat).unflatten(0, {images.num_steps, images.batch});
    x = ops::channels_last(between(layers_[layer - 1], spikes)).flatten(0, 1).to(dtype_);
  }
  x = drop(layer, state, x);
  // Flattened in memory order [H, W, C], as the weights' columns are.
  return is_convolution(layers_[layer]) ? x : x.movedim(1, -1).reshape({x.size(0), -1});
}

// A training changes its weights at every step: nothing of them is kept then.
at::Tensor CompactChain::dense_weight(std::size_t layer, bool keep) const {
  const at::Tensor& weight = layers_[layer].block->weight();
  if (keep || dtype_of(layer) == at::kFloat) return weight.to(dtype_of(layer));
  ConvertedWeights& converted = layers_[layer].converted;
  if (!converted.dense.defined() || converted.dense_version != weight._version()) {
    converted.dense = weight.to(dtype_of(layer));
    converted.dense_version = static_cast<std::uint32_t>(weight._version());
  }
  return converted.dense;
}

at::Tensor CompactChain::event_driven_current(std::size_t layer, const CompactState& state, bool keep) const {
  const WeightBlock& block = *layers_[layer].block;
  const CompactLayerState& before = state.layers[layer - 1];
  const auto events = *event_layer(before.images, block.plan());
  const bool convolution = is_convolution(layers_[layer]);
  if (keep) {
    return event_current(events, before.spikes, fixed_weights(events, block.weight()), block.bias(),
                         convolution, dtype_of(layer));
  }
  ConvertedWeights& converted = layers_[layer].converted;
  if (!converted.event || converted.event_version != block.weight()._version()) {
    converted.event = fixed_weights(events, block.weight());
    converted.event_version = static_cast<std::uint32_t>(block.weight()._version());
  }
  return event_current(events, before.spikes, *converted.event, block.bias(), convolution, dtype_of(layer));
}

at::Tensor CompactChain::forward(const at::Tensor& input, const ForwardOptions& options, bool keep,
                                 CompactState& state) const {
  const at::NoGradGuard no_grad;
  state.input = input;
  state.options = options;
  state.options.activity = nullptr;
  state.layers.resize(layers_.size());
  const std::int64_t batch = input.size(1);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto start = Clock::now();
    const CompactLayer& layer = layers_[l];
    const WeightBlock& block = *layer.block;
    const auto& plan = block.plan();
    CompactLayerState& kept = state.layers[l];
    kept.neuron = block.neuron();
    kept.static_input = l == 0 && input.size(0) == 1 && block.num_steps() > 1;
    kept.images = {block.num_steps(), batch, plan.output.height, plan.output.width, plan.output.channels, 1};
    if (layer.fused && !layer.pools.empty()) kept.images.pool = layer.pools.front()->plan().spec.kernel;
    const at::Tensor bias = block.bias().defined() ? block.bias().to(dtype_of(l)) : at::Tensor();

    kept.event = choose(l, state);
    if (keep || !kept.event.forward) kept.weight = dense_weight(l, keep);
    at::Tensor x, current;
    if (kept.event.forward) {
      current = event_driven_current(l, state, keep);
    } else if (l > 0) {
      x = layer_input(l, state);
    } else {
      x = drop(0, state, ops::channels_last(input).flatten(0, 1));
      if (!is_convolution(layer)) x = x.movedim(1, -1).reshape({x.size(0), -1});
    }
    if (!kept.event.forward) current = dense_current(plan, x, kept.weight, bias);
    const kernels::LifSize size{block.num_steps(), kept.images.neurons(), kept.static_input};
    const std::int64_t packed = kernels::packed_bytes(size.neurons);
    kept.spikes = at::empty({size.num_steps, packed}, at::kByte);
    if (keep) make_state(size, kept);
    const kernels::cpu::CompactLifState neuron_state = state_of(kept);
    with_pointer(current, [&](const auto* values) {
      const auto counts = kernels::cpu::compact_lif_forward(
          size, kept.neuron, values, kept.spikes.data_ptr<std::uint8_t>(), keep ? &neuron_state : nullptr);
      kept.spike_count = counts.spikes;
      kept.open_count = counts.open_windows;
    });
    if (options.activity != nullptr) {
      options.activity->push_back(
          {block.name(), at::scalar_tensor(kept.spike_count, at::kLong), size.num_steps * size.neurons});
    }
    if (options.costs != nullptr) {
      LayerCost cost;
      cost.name = block.name();
      cost.path = path_of(l, kept.event);
      cost.crossover = crossover_of(l);
      cost.forward_ms = milliseconds_since(start);
      if (options.densities) {
        if (!x.defined()) x = layer_input(l, state);
        cost.input_density = at::count_nonzero(x).item().toDouble() / static_cast<double>(x.numel());
      }
      if (keep) cost.saved_bytes = saved_bytes(kept);
      options.costs->push_back(cost);
    }
    if (!keep && l > 0) state.layers[l - 1].spikes.reset();
  }
  const CompactLayerState& last = state.layers.back();
  return unpack(last.images, last.spikes, at::kFloat).view({last.images.num_steps, batch, -1});
}

std::vector<at::Tensor> CompactChain::backward(const at::Tensor& grad_spikes, CompactState& state) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients(parameters_.size());
  at::Tensor gradient = grad_spikes.contiguous().to(
      dtype_of(layers_.size() - 1));  // of a layer's (pooled) spikes, channels last
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const auto start = Clock::now();
    const CompactLayer& layer = layers_[l];
    const WeightBlock& block = *layer.block;
    CompactLayerState& kept = state.layers[l];
    const auto& plan_input = block.plan().input;
    const LayerTimer timer(state.options.costs, l, start);
    const auto& images = kept.images;
    const kernels::LifSize size{images.num_steps, images.neurons(), kept.static_input};
    const std::int64_t rows = (kept.static_input ? 1 : images.num_steps) * images.batch;
    at::Tensor grad_current = empty_images(rows, images.channels, images.height, images.width, dtype_of(l));
    const auto run = [&](const auto* from, auto* to) {
      kernels::cpu::compact_lif_backward(size, kept.neuron, images, from,
                                         kept.spikes.data_ptr<std::uint8_t>(), state_of(kept), to);
    };
    if (gradient.scalar_type() == at::kFloat) {
      run(gradient.data_ptr<float>(), grad_current.data_ptr<float>());
    } else {
      with_pointer(grad_current,
                   [&](auto* to) { run(static_cast<const BFloat16*>(gradient.data_ptr()), to); });
    }
    gradient.reset();

    const bool by_events = kept.event.weight_gradient;
    at::Tensor x;
    if (l == 0) {
      x = drop(0, state, ops::channels_last(state.input).flatten(0, 1));
      if (!is_convolution(layer)) x = x.movedim(1, -1).reshape({x.size(0), -1});
    } else if (!by_events) {
      x = layer_input(l, state);
    }
    at::Tensor grad_x, grad_weight, grad_bias;
    const bool has_bias = block.bias().defined();
    if (by_events && is_convolution(layer)) {
      x = empty_images(rows, plan_input.channels, plan_input.height, plan_input.width, dtype_);
    }
    double open_share = -1.0;
    const at::Tensor windows = skip_windows(l, state, open_share);
    if (state.options.costs != nullptr) (*state.options.costs)[l].open_windows = open_share;
    const std::array<bool, 3> dense = {l > 0 && !windows.defined(), !by_events, has_bias && !by_events};
    if (dense[0] || dense[1]) {
      std::tie(grad_x, grad_weight, grad_bias) =
          dense_backward(block.plan(), grad_current, x, kept.weight, dense);
    }
    if (windows.defined()) {
      grad_x = window_gradient(*event_layer(state.layers[l - 1].images, block.plan()), windows, grad_current,
                               kept.weight);
      if (state.options.costs != nullptr) (*state.options.costs)[l].path += ", open windows";
    }
    if (by_events && has_bias) grad_bias = grad_current.sum(at::IntArrayRef({0, 2, 3}), false, at::kFloat);
    if (by_events) {
      const CompactLayerState& before = state.layers[l - 1];
      grad_weight = event_weight_gradient(*event_layer(before.images, block.plan()), before.spikes,
                                          grad_current, block.weight());
    }
    gradients[parameter_index(block.weight())] = grad_weight.to(at::kFloat);
    if (grad_bias.defined()) gradients[parameter_index(block.bias())] = grad_bias.to(at::kFloat);
    x.reset();
    if (l == 0) break;

    const CompactLayer& before = layers_[l - 1];
    if (!is_convolution(layer)) {
      grad_x = grad_x.view({rows, plan_input.height, plan_input.width, plan_input.channels}).movedim(-1, 1);
    }
    grad_x = drop(l, state, ops::channels_last(grad_x));
    if (before.fused) {
      gradient = grad_x;
      continue;
    }
    // Run again under autograd: nothing of it was kept.
    const auto& earlier = state.layers[l - 1].images;
    at::Tensor spikes = unpack(earlier, state.layers[l - 1].spikes, at::kFloat)
                            .unflatten(0, {earlier.num_steps, earlier.batch})
                            .requires_grad_();
    std::vector<at::Tensor> inputs = {spikes}, outputs;
    if (before.block->neunorm_u().defined()) inputs.push_back(before.block->neunorm_u());
    for (PoolBlock* pool : before.pools) {
      if (pool->neunorm_u().defined()) inputs.push_back(pool->neunorm_u());
    }
    {
      const at::AutoGradMode with_grad(true);
      outputs = {between(before, spikes)};
    }
    const at::Tensor grad_output = grad_x.to(at::kFloat).unflatten(0, {earlier.num_steps, earlier.batch});
    const auto through = torch::autograd::grad(outputs, inputs, {grad_output});
    for (std::size_t i = 1; i < inputs.size(); ++i) gradients[parameter_index(inputs[i])] = through[i];
    gradient = ops::channels_last(through[0]).flatten(0, 1).to(dtype_);
  }
  return gradients;
}

}  // namespace spikeloom::nn
