#include <ATen/TensorOperators.h>
#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/nn/compact_chain.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/nn/inference_product.h"
#include "spikeloom/nn/layer_timer.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {

void CompactChain::run_forward(std::size_t first, std::size_t last, bool keep, CompactState& state) const {
  const std::int64_t batch = state.input.size(1);
  for (std::size_t l = first; l < last; ++l) {
    const auto start = Clock::now();
    const CompactLayer& layer = layers_[l];
    const WeightBlock& block = *layer.block;
    const auto& plan = block.plan();
    CompactLayerState& kept = state.layers[l];
    kept.neuron = block.neuron();
    kept.static_input = l == 0 && state.input.size(0) == 1 && block.num_steps() > 1;
    kept.images = {block.num_steps(), batch, plan.output.height, plan.output.width, plan.output.channels, 1};
    if (layer.fused && !layer.pools.empty()) kept.images.pool = layer.pools.front()->plan().spec.kernel;
    const at::Tensor bias = block.bias().defined() ? block.bias().to(dtype_of(l)) : at::Tensor();

    kept.event = choose(l, state, keep);
    if (!kept.weight.defined() && (keep || !kept.event.forward)) kept.weight = dense_weight(l, keep);
    at::Tensor x, current;
    if (kept.event.forward) {
      current = event_driven_current(l, state, keep);
    } else if (l > 0) {
      x = layer_input(l, state);
    } else {
      x = drop(0, state, ops::channels_last(state.input).flatten(0, 1));
      if (!layer.is_convolution()) x = x.movedim(1, -1).reshape({x.size(0), -1});
    }
    if (!kept.event.forward) {
      current = keep || layer.is_convolution() ? dense_current(plan, x, kept.weight, bias)
                                               : linear_by_blocks(x, kept.weight, bias);
    }
    const kernels::LifSize size{block.num_steps(), kept.images.neurons(), kept.static_input};
    const std::int64_t packed = kernels::packed_bytes(size.neurons);
    kept.spikes = at::empty({size.num_steps, packed}, at::kByte);
    if (keep) make_room(size, kept);
    const kernels::cpu::CompactLifState neuron_state = lif_state(kept);
    with_pointer(current, [&](const auto* values) {
      const auto counts = kernels::cpu::compact_lif_forward(
          size, kept.neuron, values, kept.spikes.data_ptr<std::uint8_t>(), keep ? &neuron_state : nullptr);
      kept.spike_count = counts.spikes;
      kept.open_count = counts.open_windows;
    });
    if (state.options.costs != nullptr) {
      // Sums over the parts of a batch.
      LayerCost& cost = (*state.options.costs)[l];
      cost.path = path_of(l, kept.event);
      cost.forward_ms += milliseconds_since(start);
      if (state.options.densities) {
        if (!x.defined()) x = layer_input(l, state);
        const auto share = static_cast<double>(batch) / static_cast<double>(state.whole_batch);
        cost.input_density += share * at::count_nonzero(x).item().toDouble() / static_cast<double>(x.numel());
      }
      if (keep) cost.saved_bytes += saved_bytes(kept);
    }
    if (!keep && l > 0) state.layers[l - 1].spikes.reset();
  }
}

at::Tensor CompactChain::forward(const at::Tensor& input, const ForwardOptions& options, bool keep,
                                 CompactState& state) const {
  const at::NoGradGuard no_grad;
  const std::int64_t batch = input.size(1), steps = layers_.front().block->num_steps();
  state.input = input;
  state.options = options;
  state.options.activity = nullptr;
  state.whole_batch = batch;
  state.layers.resize(layers_.size());
  if (options.costs != nullptr) {
    options.costs->assign(layers_.size(), LayerCost());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      (*options.costs)[l].name = layers_[l].block->name();
      (*options.costs)[l].crossover = crossover_of(l);
    }
  }
  const std::int64_t together = samples_at_a_time(batch, input.size(0) == 1 && steps > 1, options.training);
  std::size_t begin = 0;
  if (together < batch) {
    begin = leading_convolutions();
    for (std::int64_t sample = 0; sample < batch; sample += together) {
      CompactState& part = state.parts.emplace_back();
      part.input = input.narrow(1, sample, std::min(together, batch - sample));
      part.options = state.options;
      part.first_sample = sample;
      part.whole_batch = batch;
      part.layers.resize(begin);
      if (state.parts.size() > 1) {
        const CompactState& before = state.parts[state.parts.size() - 2];
        for (std::size_t l = 0; l < begin; ++l) {
          part.layers[l].weight = before.layers[l].weight;
          part.layers[l].fixed = before.layers[l].fixed;
        }
      }
      run_forward(0, begin, keep, part);
    }
    for (CompactState& part : state.parts) {
      for (CompactLayerState& kept : part.layers) kept.fixed.reset();
    }
    state.layers[begin - 1] = join_spikes(state.parts, begin - 1);
  }
  run_forward(begin, layers_.size(), keep, state);
  if (options.activity != nullptr) {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const WeightBlock& block = *layers_[l].block;
      std::int64_t spikes = 0;
      for (const CompactState& part : state.parts) spikes += l < begin ? part.layers[l].spike_count : 0;
      if (l >= begin) spikes = state.layers[l].spike_count;
      options.activity->push_back({block.name(), at::scalar_tensor(spikes, at::kLong),
                                   block.num_steps() * batch * block.plan().output.size()});
    }
  }
  const CompactLayerState& kept = state.layers.back();
  return unpack(kept.images, kept.spikes, at::kFloat).view({kept.images.num_steps, batch, -1});
}

}  // namespace spikeloom::nn
