#include "spikeloom/nn/compact_chain.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <type_traits>

#include "spikeloom/kernels/cpu/dropout.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/nn/crossover.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/ops/avg_pool.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
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

// x [T * N, ...] in memory order, of some samples of the batch or all.
at::Tensor CompactChain::drop(std::size_t layer, const CompactState& state, const at::Tensor& x) const {
  const auto draw = layers_[layer].block->dropout(state.options);
  if (draw.rate <= 0.0) return x;
  kernels::DropoutSize size;
  size.num_steps = x.size(0) / state.input.size(1);
  size.elements = x.numel() / size.num_steps;
  size.same_mask_each_step = draw.same_mask_each_step;
  const std::int64_t sample = size.elements / state.input.size(1);
  size.whole = sample * state.whole_batch;
  size.first = sample * state.first_sample;
  if (size.whole == size.elements) size.whole = 0;
  at::Tensor dropped = at::empty_strided(x.sizes(), x.strides(), x.options());
  with_pointer(x, [&](const auto* from) {
    using Value = std::remove_const_t<std::remove_pointer_t<decltype(from)>>;
    kernels::cpu::dropout_apply(size, draw.rate, {draw.key, draw.counter}, from,
                                static_cast<Value*>(dropped.data_ptr()));
  });
  return dropped;
}

std::size_t CompactChain::leading_convolutions() const {
  std::size_t count = 0;
  while (count < layers_.size() && layers_[count].is_convolution()) ++count;
  return count;
}

std::int64_t CompactChain::samples_at_a_time(std::int64_t batch, bool static_input, bool dropout) const {
  const std::size_t convolutions = leading_convolutions();
  if (convolutions == 0 || compute_.working_set_mb <= 0.0) return batch;
  // Parts are put together as bytes, and dropout's random numbers are made for kPart at a time.
  if (layers_[convolutions - 1].block->plan().output.size() % 64 != 0) return batch;
  double most = 0.0;
  for (std::size_t l = 0; l < convolutions; ++l) {
    const WeightBlock& block = *layers_[l].block;
    if (dropout && block.plan().dropout_before &&
        block.plan().input.size() % kernels::DropoutSize::kPart != 0)
      return batch;
    const auto steps = static_cast<double>(l == 0 && static_input ? 1 : block.num_steps());
    most = std::max(most, steps * static_cast<double>(block.plan().output.size()) *
                              static_cast<double>(c10::elementSize(dtype_of(l))));
  }
  // Parts cost some percent: not for the sake of one or two.
  if (static_cast<double>(batch) * most <= 2.0 * compute_.working_set_mb * 1e6) return batch;
  const auto fit = static_cast<std::int64_t>(compute_.working_set_mb * 1e6 / most);
  const std::int64_t parts = (batch - 1) / std::max<std::int64_t>(fit, 1) + 1;
  return (batch - 1) / parts + 1;  // all parts but the last of one size
}

EventChoice CompactChain::choose(std::size_t layer, const CompactState& state, bool keep) const {
  if (layer == 0) return {};
  const CompactLayerState& before = state.layers[layer - 1];
  // NeuNorm, several poolings and dropout make other values of the spikes.
  if (!layers_[layer - 1].fused || layers_[layer].block->dropout(state.options).rate > 0.0) return {};
  const auto events = event_layer(before.images, layers_[layer].block->plan());
  if (!events) return {};
  if (!keep) return {inference_is_event(compute_, layers_[layer].block->plan()), false};
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
      !layers_[layer].is_convolution()) {
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
  const std::size_t convolutions = leading_convolutions();
  const std::int64_t together = samples_at_a_time(batch, true, true);
  for (std::size_t l = 1; l < layers_.size(); ++l) {
    const CompactLayer& before = layers_[l - 1];
    if (!before.fused) continue;
    const auto& shape = before.block->plan().output;
    kernels::PackedImages images{before.block->num_steps(),
                                 l < convolutions ? together : batch,
                                 shape.height,
                                 shape.width,
                                 shape.channels,
                                 1};
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
  return layers_[layer].is_convolution() ? x : x.movedim(1, -1).reshape({x.size(0), -1});
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

at::Tensor CompactChain::event_driven_current(std::size_t layer, CompactState& state, bool keep) const {
  const WeightBlock& block = *layers_[layer].block;
  const CompactLayerState& before = state.layers[layer - 1];
  const auto events = *event_layer(before.images, block.plan());
  const bool convolution = layers_[layer].is_convolution();
  if (keep) {
    CompactLayerState& kept = state.layers[layer];
    if (!kept.fixed) {
      kept.fixed = std::make_shared<const kernels::FixedPointWeights>(fixed_weights(events, block.weight()));
    }
    at::Tensor current =
        event_current(events, before.spikes, *kept.fixed, block.bias(), convolution, dtype_of(layer));
    if (state.whole_batch == state.input.size(1)) kept.fixed.reset();  // no other part needs them
    return current;
  }
  ConvertedWeights& converted = layers_[layer].converted;
  if (!converted.event || converted.event_version != block.weight()._version()) {
    converted.event = fixed_weights(events, block.weight());
    converted.event_version = static_cast<std::uint32_t>(block.weight()._version());
  }
  return event_current(events, before.spikes, *converted.event, block.bias(), convolution, dtype_of(layer));
}

}  // namespace spikeloom::nn
