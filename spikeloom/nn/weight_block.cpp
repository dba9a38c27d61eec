#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "spikeloom/base/random.h"
#include "spikeloom/nn/block.h"
#include "spikeloom/nn/inference_product.h"
#include "spikeloom/nn/initialise.h"
#include "spikeloom/ops/dropout.h"
#include "spikeloom/ops/lif.h"
#include "spikeloom/ops/neunorm.h"

namespace spikeloom::nn {

using model::LayerKind;

at::Tensor make_neunorm_u(const model::Shape& shape, const model::NeuNormSettings& settings,
                          at::ScalarType dtype) {
  const std::int64_t maps = settings.per_channel_u ? shape.channels : 1;
  return at::full({maps, shape.height, shape.width}, settings.u_init, at::TensorOptions(dtype))
      .set_requires_grad(true);
}

at::Tensor apply_neunorm(const at::Tensor& spikes, const at::Tensor& u,
                         const model::NeuNormSettings& settings) {
  return ops::neunorm(spikes, u, settings.decay,
                      kernels::neunorm_coefficient(settings.scale, settings.decay, spikes.size(2)));
}

WeightBlock::WeightBlock(const model::LayerPlan& plan, const model::NetworkSettings& settings,
                         std::uint64_t seed, int number, bool last, at::ScalarType dtype)
    : Block(plan),
      neuron_(settings.neuron),
      kind_(settings.kind),
      dropout_(settings.dropout),
      neunorm_(settings.neunorm),
      num_steps_(settings.kind == model::NetworkKind::kAnn ? 1 : settings.num_steps),
      number_(number),
      last_(last),
      learn_decay_(settings.learn_decay),
      learn_v_threshold_(settings.learn_v_threshold) {
  const auto options = at::TensorOptions(dtype);
  const auto& spec = plan_.spec;
  std::int64_t fan_in = plan_.input.size();
  if (spec.kind == LayerKind::kConvolution) {
    fan_in = plan_.input.channels * spec.kernel * spec.kernel;
    weight_ = at::empty({spec.features, plan_.input.channels, spec.kernel, spec.kernel}, options,
                        at::MemoryFormat::ChannelsLast);
  } else {
    weight_ = at::empty({plan_.output.channels, fan_in}, options);
  }
  const bool ann = kind_ == model::NetworkKind::kAnn;
  // An ANN has no threshold: that of the formula's reference leaves the gain alone.
  const double standard_deviation =
      initial_standard_deviation(settings.init.gain, ann ? kReferenceThreshold : neuron_.v_threshold, fan_in);
  fill_normal(weight_, standard_deviation, seed, static_cast<std::uint64_t>(number));
  weight_.set_requires_grad(true);
  if (settings.bias) bias_ = at::zeros({plan_.output.channels}, options).set_requires_grad(true);
  if (plan_.neunorm_after) neunorm_u_ = make_neunorm_u(plan_.output, neunorm_, dtype);
  // Scalars stay in double on the CPU: the kernels take them by value.
  decay_ = at::scalar_tensor(neuron_.decay, at::kDouble).set_requires_grad(learn_decay_ && !ann);
  v_threshold_ =
      at::scalar_tensor(neuron_.v_threshold, at::kDouble).set_requires_grad(learn_v_threshold_ && !ann);
}

void WeightBlock::collect(std::vector<Parameter>& parameters) {
  const auto role = plan_.spec.kind == LayerKind::kConvolution ? ParameterRole::kConvolution
                                                               : ParameterRole::kFullyConnected;
  parameters.push_back({name() + ".weight", weight_, role});
  if (bias_.defined()) parameters.push_back({name() + ".bias", bias_, role, true});
  if (neunorm_u_.defined())
    parameters.push_back({name() + ".neunorm_u", neunorm_u_, ParameterRole::kNeuNorm});
  if (decay_.requires_grad()) parameters.push_back({name() + ".decay", decay_, ParameterRole::kNeuron});
  if (v_threshold_.requires_grad()) {
    parameters.push_back({name() + ".v_threshold", v_threshold_, ParameterRole::kNeuron});
  }
}

ops::DropoutOptions WeightBlock::dropout(const ForwardOptions& options) const {
  ops::DropoutOptions draw;
  draw.rate = options.training && plan_.dropout_before ? dropout_.rate : 0.0;
  draw.same_mask_each_step = dropout_.same_mask_each_step;
  draw.key = stream_key(options.seed, RandomPurpose::kDropout);
  // 16 bits of layer, 48 of iteration: no two draws of a run share a counter.
  draw.counter = (static_cast<std::uint64_t>(number_) << 48) | options.iteration;
  return draw;
}

kernels::NeuronParams WeightBlock::neuron() const {
  kernels::NeuronParams params = neuron_;
  params.decay = decay_.item().toDouble();
  params.v_threshold = v_threshold();
  return params;
}

at::Tensor WeightBlock::current(const at::Tensor& input, const ForwardOptions& options) {
  at::Tensor x = input;
  if (const auto draw = dropout(options); draw.rate > 0.0) x = ops::dropout(x, draw);
  const std::int64_t steps = x.size(0), batch = x.size(1);
  if (plan_.spec.kind == LayerKind::kConvolution) {
    const auto& spec = plan_.spec;
    const at::Tensor y = at::conv2d(x.flatten(0, 1), weight_, bias_, spec.stride, spec.padding);
    return y.unflatten(0, {steps, batch});
  }
  // Flattened in memory order [H, W, C]: no copy. The weights' columns have that order.
  if (x.dim() == 5) x = x.movedim(-3, -1);
  const at::Tensor rows = x.reshape({steps * batch, -1});
  return (c10::GradMode::is_enabled() ? at::linear(rows, weight_, bias_)
                                      : linear_by_blocks(rows, weight_, bias_))
      .view({steps, batch, -1});
}

at::Tensor WeightBlock::fire(const at::Tensor& current, const ForwardOptions& options) {
  if (kind_ == model::NetworkKind::kAnn) return last_ ? current : at::relu(current);
  const auto result = ops::lif(current, decay_, v_threshold_, num_steps_, neuron_);
  if (options.activity != nullptr) {
    options.activity->push_back({name(), result.spike_count, result.spikes.numel()});
  }
  return neunorm_u_.defined() ? apply_neunorm(result.spikes, neunorm_u_, neunorm_) : result.spikes;
}

at::Tensor WeightBlock::forward(const at::Tensor& x, const ForwardOptions& options) {
  return fire(current(x, options), options);
}

double WeightBlock::firing_rate(const at::Tensor& current, double scale) {
  const at::NoGradGuard no_grad;
  const auto result = ops::lif(current * scale, decay_, v_threshold_, num_steps_, neuron_);
  return result.spike_count.item().toDouble() / static_cast<double>(result.spikes.numel());
}

void WeightBlock::scale_weights(double scale) {
  const at::NoGradGuard no_grad;
  weight_.mul_(scale);
  if (bias_.defined()) bias_.mul_(scale);
}

void WeightBlock::set_v_threshold(double v_threshold) {
  const at::NoGradGuard no_grad;
  neuron_.surrogate_width *= v_threshold / v_threshold_.item().toDouble();
  v_threshold_.fill_(v_threshold);
}

double WeightBlock::v_threshold() const { return v_threshold_.item().toDouble(); }

void WeightBlock::clamp_neuron() {
  const at::NoGradGuard no_grad;
  if (decay_.requires_grad()) decay_.clamp_(0.0, 1.0);
  if (v_threshold_.requires_grad()) v_threshold_.clamp_min_(1e-6);
}

}  // namespace spikeloom::nn
