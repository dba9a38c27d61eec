#include <ATen/TensorOperators.h>
#include <ATen/ops/sum.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <tuple>

#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/nn/compact_chain.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/nn/layer_timer.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

using kernels::BFloat16;

void note_open_windows(LayerCost& cost) {
  constexpr const char* kNote = ", open windows";
  if (cost.path.find(kNote) == std::string::npos) cost.path += kNote;
}

// Samples [first, first + count) of a gradient [T * N, C, H, W], channels last, or [T, N, values].
at::Tensor samples_of(const at::Tensor& gradient, std::int64_t batch, std::int64_t first,
                      std::int64_t count) {
  const at::Tensor rows = gradient.dim() == 4 ? gradient.movedim(1, -1) : gradient.flatten(0, 1);
  const std::int64_t steps = rows.size(0) / batch;
  const at::Tensor part =
      rows.unflatten(0, {steps, batch}).narrow(1, first, count).contiguous().flatten(0, 1);
  return gradient.dim() == 4 ? part.movedim(-1, 1) : part;
}

}  // namespace

void CompactChain::add_gradient(const at::Tensor& parameter, const at::Tensor& gradient,
                                std::vector<at::Tensor>& gradients) const {
  at::Tensor& sum = gradients[parameter_index(parameter)];
  if (sum.defined()) {
    sum.add_(gradient);
  } else {
    sum = gradient.to(at::kFloat);
  }
}

// Run again under autograd: nothing of it was kept.
at::Tensor CompactChain::through_between(std::size_t layer, const CompactLayerState& kept,
                                         const at::Tensor& gradient,
                                         std::vector<at::Tensor>& gradients) const {
  const CompactLayer& before = layers_[layer];
  const auto& images = kept.images;
  at::Tensor spikes =
      unpack(images, kept.spikes, at::kFloat).unflatten(0, {images.num_steps, images.batch}).requires_grad_();
  std::vector<at::Tensor> inputs = {spikes}, outputs;
  if (before.block->neunorm_u().defined()) inputs.push_back(before.block->neunorm_u());
  for (PoolBlock* pool : before.pools) {
    if (pool->neunorm_u().defined()) inputs.push_back(pool->neunorm_u());
  }
  {
    const at::AutoGradMode with_grad(true);
    outputs = {between(before, spikes)};
  }
  const at::Tensor grad_output = gradient.to(at::kFloat).unflatten(0, {images.num_steps, images.batch});
  const auto through = torch::autograd::grad(outputs, inputs, {grad_output});
  for (std::size_t i = 1; i < inputs.size(); ++i) add_gradient(inputs[i], through[i], gradients);
  return ops::channels_last(through[0]).flatten(0, 1).to(dtype_);
}

at::Tensor CompactChain::run_backward(std::size_t first, std::size_t last, at::Tensor gradient,
                                      CompactState& state, std::vector<at::Tensor>& gradients) const {
  for (std::size_t l = last; l-- > first;) {
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
                                         kept.spikes.data_ptr<std::uint8_t>(), lif_state(kept), to);
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
      if (!layer.is_convolution()) x = x.movedim(1, -1).reshape({x.size(0), -1});
    } else if (!by_events) {
      x = layer_input(l, state);
    }
    at::Tensor grad_x, grad_weight, grad_bias;
    const bool has_bias = block.bias().defined();
    double open_share = -1.0;
    const at::Tensor windows = skip_windows(l, state, open_share);
    if (by_events && layer.is_convolution() && !windows.defined()) {  // LibTorch asks for its shape
      x = empty_images(rows, plan_input.channels, plan_input.height, plan_input.width, dtype_);
    }
    if (state.options.costs != nullptr) {
      (*state.options.costs)[l].open_windows = open_share;
    }
    const std::array<bool, 3> dense = {l > 0 && !windows.defined(), !by_events, has_bias && !by_events};
    if (dense[0] || dense[1]) {
      std::tie(grad_x, grad_weight, grad_bias) =
          dense_backward(block.plan(), grad_current, x, kept.weight, dense);
    }
    if (windows.defined()) {
      grad_x = window_gradient(*event_layer(state.layers[l - 1].images, block.plan()), windows, grad_current,
                               kept.weight);
      if (state.options.costs != nullptr) note_open_windows((*state.options.costs)[l]);
    }
    if (by_events && has_bias) grad_bias = grad_current.sum(at::IntArrayRef({0, 2, 3}), false, at::kFloat);
    if (by_events) {
      const CompactLayerState& before = state.layers[l - 1];
      grad_weight = event_weight_gradient(*event_layer(before.images, block.plan()), before.spikes,
                                          grad_current, block.weight());
    }
    kept.weight.reset();
    add_gradient(block.weight(), grad_weight, gradients);
    grad_weight.reset();
    if (grad_bias.defined()) add_gradient(block.bias(), grad_bias, gradients);
    x.reset();
    if (l == 0) return {};

    const CompactLayer& before = layers_[l - 1];
    if (!layer.is_convolution()) {
      grad_x = grad_x.view({rows, plan_input.height, plan_input.width, plan_input.channels}).movedim(-1, 1);
    }
    grad_x = drop(l, state, ops::channels_last(grad_x));
    gradient = before.fused ? grad_x : through_between(l - 1, state.layers[l - 1], grad_x, gradients);
  }
  return gradient;
}

std::vector<at::Tensor> CompactChain::backward(const at::Tensor& grad_spikes, CompactState& state) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients(parameters_.size());
  at::Tensor gradient = grad_spikes.contiguous().to(dtype_of(layers_.size() - 1));
  const std::size_t parted = state.parts.empty() ? 0 : leading_convolutions();
  gradient = run_backward(parted, layers_.size(), gradient, state, gradients);
  for (CompactState& part : state.parts) {
    const at::Tensor of_part = samples_of(gradient, state.whole_batch, part.first_sample, part.input.size(1));
    run_backward(0, parted, of_part, part, gradients);
    part.layers.clear();
  }
  return gradients;
}

}  // namespace spikeloom::nn
