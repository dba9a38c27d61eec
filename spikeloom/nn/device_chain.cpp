#include "spikeloom/nn/device_chain.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <type_traits>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/neunorm.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

// Poolings in a row are one: averages of averages of whole windows, and a rest that is dropped in two goes is
// dropped in one as well.
void add_pool(const PoolBlock& pool, std::int64_t& factor, at::Tensor& u, bool& after_pooling) {
  if (u.defined()) {
    throw ConfigError("NeuNorm and several poolings in a row (" + pool.name() +
                      ") cannot run on a device; use --device cpu");
  }
  factor *= pool.plan().spec.kernel;
  if (!pool.neunorm_u().defined()) return;
  u = pool.neunorm_u();
  after_pooling = true;
}

void check_settings(const model::NetworkSettings& settings) {
  const auto refuse = [](const std::string& what) {
    throw ConfigError(what + " cannot run on a device; use --device cpu");
  };
  if (settings.kind != model::NetworkKind::kSpiking) refuse("an artificial network as spiking one");
  if (settings.compute.state != model::StateMode::kCompact) refuse("compute.state = \"exact\"");
  if (settings.learn_decay) refuse("a learnable neuron.decay");
  if (settings.learn_v_threshold) refuse("a learnable neuron.v_threshold");
  if (settings.neuron.smooth) refuse("smooth spikes");
}

}  // namespace

DeviceSums::DeviceSums(std::size_t layers, const at::Device& device)
    : loss(at::zeros({}, at::TensorOptions(at::kDouble).device(device))),
      correct(at::zeros({}, at::TensorOptions(at::kLong).device(device))),
      not_finite(at::zeros({}, at::TensorOptions(at::kInt).device(device))),
      spikes(at::zeros({static_cast<std::int64_t>(layers)}, at::TensorOptions(at::kLong).device(device))) {}

void DeviceSums::clear() {
  for (at::Tensor* sum : {&loss, &correct, &not_finite, &spikes}) sum->zero_();
}

DeviceChain::DeviceChain(const std::vector<std::unique_ptr<Block>>& blocks,
                         const model::NetworkSettings& settings, const at::Tensor& class_of, int num_classes)
    : device_(at::kCPU),
      dtype_(settings.compute.precision == model::Precision::kBf16 ? at::kBFloat16 : at::kFloat),
      num_steps_(settings.num_steps),
      num_classes_(num_classes) {
  check_settings(settings);
  const auto add = [&](const at::Tensor& parameter) {
    parameters_.push_back(parameter);
    return parameters_.size() - 1;
  };
  for (const auto& block : blocks) {
    if (auto* weights = dynamic_cast<WeightBlock*>(block.get())) {
      Layer layer;
      layer.block = weights;
      layer.neuron = weights->neuron();
      layer.weight = add(weights->weight());
      if (weights->bias().defined()) layer.bias = add(weights->bias());
      if (weights->neunorm_u().defined()) {
        layer.u = weights->neunorm_u();
        layer.neunorm_u = add(layer.u);
      }
      layers_.push_back(layer);
    } else {
      const auto& pool = *static_cast<const PoolBlock*>(block.get());
      Layer& layer = layers_.back();
      if (layer.u.defined() && layer.pool == 1 && !layer.after_pooling && !pool.neunorm_u().defined()) {
        layer.pool = pool.plan().spec.kernel;  // NeuNorm, then one pooling
        continue;
      }
      add_pool(pool, layer.pool, layer.u, layer.after_pooling);
      if (pool.neunorm_u().defined()) layer.neunorm_u = add(layer.u);
    }
  }
  for (Layer& layer : layers_) {
    if (!layer.u.defined()) continue;
    const auto& norm = layer.block->neunorm();
    layer.neunorm.decay = norm.decay;
    layer.neunorm.coefficient =
        kernels::neunorm_coefficient(norm.scale, norm.decay, layer.block->plan().output.channels);
  }
  if (parameters_.front().scalar_type() != at::kFloat) {
    throw ConfigError("double precision cannot run on a device; use --device cpu");
  }
  device_ = parameters_.front().device();
  class_of_ = class_of.to(device_);
  gradients_.resize(parameters_.size());
  low_precision_.resize(parameters_.size());
  refresh();
}

void DeviceChain::refresh() {
  const at::NoGradGuard no_grad;
  for (std::size_t l = 1; l < layers_.size(); ++l) {
    if (dtype_of(l) == at::kFloat) continue;
    const at::Tensor& weight = parameters_[layers_[l].weight];
    at::Tensor& rounded = low_precision_[layers_[l].weight];
    // The same memory always: a captured step reads it.
    if (!rounded.defined()) {
      rounded = at::empty_like(weight.detach(), weight.options().dtype(dtype_).requires_grad(false));
    }
    rounded.copy_(weight);
  }
}

const at::Tensor& DeviceChain::weight_of(std::size_t layer) const {
  const std::size_t place = layers_[layer].weight;
  return low_precision_[place].defined() ? low_precision_[place] : parameters_[place];
}

bool DeviceChain::is_convolution(std::size_t layer) const {
  return layers_[layer].block->plan().spec.kind == model::LayerKind::kConvolution;
}

std::vector<std::string> DeviceChain::layer_names() const {
  std::vector<std::string> names;
  for (const Layer& layer : layers_) names.push_back(layer.block->name());
  return names;
}

std::vector<std::int64_t> DeviceChain::neuron_steps() const {
  std::vector<std::int64_t> result;
  for (const Layer& layer : layers_) result.push_back(num_steps_ * layer.block->plan().output.size());
  return result;
}

std::int64_t DeviceChain::saved_bytes(std::int64_t batch) const {
  std::int64_t sum = 0;
  for (const Layer& layer : layers_) {
    const auto& output = layer.block->plan().output;
    const std::int64_t neurons = batch * output.size();
    sum += num_steps_ * (kernels::packed_bytes(neurons) + kernels::state_bytes(layer.neuron, neurons));
    if (layer.u.defined()) {
      const std::int64_t area = layer.after_pooling ? layer.pool * layer.pool : 1;
      sum += num_steps_ * batch * (output.height * output.width / area) * std::int64_t{sizeof(float)};
    }
  }
  return sum;
}

at::Tensor DeviceChain::bytes(std::int64_t count) const {
  return at::empty({count}, at::TensorOptions(at::kByte).device(device_));
}

kernels::VotingSize DeviceChain::voting_size(std::int64_t batch) const {
  return {num_steps_, batch, class_of_.numel(), num_classes_};
}

kernels::cuda::DropoutDraw DeviceChain::draw_of(std::size_t layer, std::uint64_t seed,
                                                const at::Tensor& iteration) const {
  kernels::cuda::DropoutDraw draw;
  if (!iteration.defined()) return draw;  // inference
  ForwardOptions options;
  options.training = true;
  options.seed = seed;
  const auto cpu = layers_[layer].block->dropout(options);
  draw.iteration = reinterpret_cast<const std::uint64_t*>(iteration.data_ptr<std::int64_t>());
  draw.layer = cpu.counter >> 48;  // options.iteration is 0: the layer alone
  draw.key = cpu.key;
  draw.rate = cpu.rate;
  draw.same_mask_each_step = cpu.same_mask_each_step;
  return draw;
}

// Images as the layer multiplies them: rows for a fully connected one, flattened in memory order.
at::Tensor DeviceChain::as_rows(std::size_t layer, const at::Tensor& images) const {
  return is_convolution(layer) ? images : images.movedim(1, -1).reshape({images.size(0), -1});
}

at::Tensor DeviceChain::first_input(const at::Tensor& input, const kernels::cuda::DropoutDraw& draw) const {
  at::Tensor x = ops::channels_last(input).flatten(0, 1);
  if (draw.rate > 0.0) {
    const at::Tensor dropped = empty_images(x.size(0), x.size(1), x.size(2), x.size(3), at::kFloat, device_);
    const kernels::DropoutSize size{input.size(0), x.numel() / input.size(0), draw.same_mask_each_step};
    kernels::cuda::apply_dropout(ops::queue_of(device_), size, draw, x.data_ptr<float>(),
                                 dropped.data_ptr<float>());
    x = dropped;
  }
  return as_rows(0, x);
}

at::Tensor DeviceChain::layer_input(std::size_t layer, const Kept& before,
                                    const kernels::cuda::DropoutDraw& draw) const {
  const Layer& from = layers_[layer - 1];
  const auto& images = before.images;
  const at::Tensor values = empty_images(images.num_steps * images.batch, images.channels,
                                         images.pooled_height(), images.pooled_width(), dtype_, device_);
  kernels::cuda::NeuNormInput neunorm;
  if (from.u.defined()) {
    neunorm = {before.x.data_ptr<float>(), before.u.data_ptr<float>(), from.u.size(0) == 1,
               from.after_pooling};
  }
  with_pointer(values, [&](auto* to) {
    kernels::cuda::layer_input(ops::queue_of(device_), images, before.spikes.data_ptr<std::uint8_t>(),
                               from.u.defined() ? &neunorm : nullptr, draw.rate > 0.0 ? &draw : nullptr, to);
  });
  return as_rows(layer, values);
}

at::Tensor DeviceChain::infer(const at::Tensor& input, DeviceSums* sums) const {
  const at::NoGradGuard no_grad;
  const auto kept = forward(input, false, 0, {}, sums, nullptr);
  at::Tensor votes = at::empty({input.size(1), num_classes_}, at::TensorOptions(at::kFloat).device(device_));
  kernels::cuda::voting(ops::queue_of(device_), voting_size(input.size(1)),
                        class_of_.data_ptr<std::int32_t>(), kept.back().spikes.data_ptr<std::uint8_t>(),
                        votes.data_ptr<float>());
  return votes;
}

void DeviceChain::train(const at::Tensor& input, const at::Tensor& labels,
                        const kernels::cuda::VotingLossParams& loss, std::uint64_t seed,
                        const at::Tensor& iteration, DeviceSums& sums, std::vector<LayerCost>* costs) {
  const at::NoGradGuard no_grad;
  if (costs != nullptr) {
    costs->assign(layers_.size(), LayerCost());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      (*costs)[l].name = layers_[l].block->name();
      (*costs)[l].path = dtype_of(l) == at::kBFloat16 ? "dense bf16" : "dense fp32";
    }
  }
  auto kept = forward(input, true, seed, iteration, &sums, costs);
  const std::size_t last = layers_.size() - 1;
  const std::int64_t batch = input.size(1);
  const auto size = voting_size(batch);
  const at::Tensor votes = at::empty({batch, num_classes_}, at::TensorOptions(at::kFloat).device(device_));
  const at::Tensor gradient =
      at::empty({num_steps_, batch, size.population}, at::TensorOptions(dtype_of(last)).device(device_));
  const at::Tensor workspace = bytes(kernels::cuda::voting_loss_workspace(size));
  with_pointer(gradient, [&](auto* grad_spikes) {
    kernels::cuda::VotingLossOutput<std::remove_pointer_t<decltype(grad_spikes)>> output;
    output.votes = votes.data_ptr<float>();
    output.grad_spikes = grad_spikes;
    output.loss_sum = sums.loss.data_ptr<double>();
    output.correct = reinterpret_cast<unsigned long long*>(sums.correct.data_ptr<std::int64_t>());
    output.not_finite = reinterpret_cast<std::uint32_t*>(sums.not_finite.data_ptr<std::int32_t>());
    kernels::cuda::voting_loss(ops::queue_of(device_), size, loss, class_of_.data_ptr<std::int32_t>(),
                               kept[last].spikes.data_ptr<std::uint8_t>(), labels.data_ptr<std::int64_t>(),
                               output, workspace.data_ptr());
  });
  backward(input, kept, gradient, seed, iteration, costs);
}

}  // namespace spikeloom::nn
