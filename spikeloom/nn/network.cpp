#include "spikeloom/nn/network.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <sstream>
#include <string>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/nn/ann_forward.h"
#include "spikeloom/nn/block.h"
#include "spikeloom/nn/compact_chain.h"
#include "spikeloom/nn/compact_function.h"
#include "spikeloom/nn/device_chain.h"
#include "spikeloom/ops/voting.h"

namespace spikeloom::nn {
namespace {

at::Tensor assign_classes(const model::NetworkPlan& plan, const model::VotingSettings& voting,
                          std::uint64_t seed) {
  const std::int64_t neurons = plan.layers.back().output.channels;
  at::Tensor class_of = at::empty({neurons}, at::kInt);
  std::int32_t* values = class_of.data_ptr<std::int32_t>();
  if (voting.assignment == model::VotingAssignment::kRandom) {
    // A random permutation of the blocks: every class still has the same number of neurons.
    const auto order = random_permutation(neurons, seed, RandomPurpose::kVoting);
    for (std::int64_t i = 0; i < neurons; ++i) {
      values[order[static_cast<std::size_t>(i)]] = static_cast<std::int32_t>(i / voting.neurons_per_class);
    }
  } else {
    for (std::int64_t i = 0; i < neurons; ++i) {
      values[i] = static_cast<std::int32_t>(i / voting.neurons_per_class);
    }
  }
  return class_of;
}

/// What a plan can say and these layers cannot do.
std::string unsupported_layer(const model::LayerPlan& layer) {
  switch (layer.spec.kind) {
    case model::LayerKind::kMaxPool:
      return "max pooling";
    case model::LayerKind::kGlobalAveragePool:
      return "global average pooling";
    case model::LayerKind::kRecurrent:
      return "a recurrent layer";
    case model::LayerKind::kReadout:
      return "a readout without spikes";
    case model::LayerKind::kConvolution:
    case model::LayerKind::kAveragePool:
    case model::LayerKind::kFullyConnected:
    case model::LayerKind::kVoting:
      break;
  }
  const bool residual = layer.is_shortcut || layer.sources.size() > 1 || !layer.shortcuts.empty();
  return residual ? "a residual block" : "";
}

std::string unsupported_neuron(const model::NetworkSettings& settings) {
  if (settings.kind == model::NetworkKind::kAnn) return "";
  if (settings.neuron_kind == model::NeuronKind::kIf) return "neuron.kind = \"if\"";
  if (settings.neuron_kind == model::NeuronKind::kCubaLif) return "neuron.kind = \"cuba-lif\"";
  if (settings.neuron.reset == kernels::Reset::kNone) return "neuron.reset = \"none\"";
  const bool to_a_value = settings.neuron.reset == kernels::Reset::kZero && settings.neuron.v_reset != 0.0;
  return to_a_value ? "neuron.v_reset other than 0" : "";
}

/// Throws ConfigError: nothing that the structure string or the settings say is passed over.
void refuse_unsupported(const model::NetworkPlan& plan, const model::NetworkSettings& settings) {
  const auto refuse = [](const std::string& what, const std::string& where) {
    if (what.empty()) return;
    throw ConfigError(what + " needs an engine that this version does not have" + where +
                      "; it can be planned and described only");
  };
  for (const model::LayerPlan& layer : plan.layers) {
    refuse(unsupported_layer(layer), " (" + layer.name + ", " + model::to_string(layer.spec) + ")");
  }
  if (settings.norm.kind != model::NormKind::kNone) refuse("batch normalisation (norm.kind)", "");
  refuse(unsupported_neuron(settings), "");
}

}  // namespace

Network::Network(model::NetworkPlan plan, model::NetworkSettings settings, std::uint64_t seed,
                 at::ScalarType dtype)
    : plan_(std::move(plan)), settings_(std::move(settings)), dtype_(dtype) {
  refuse_unsupported(plan_, settings_);
  int number = 0;
  for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
    const auto& layer = plan_.layers[i];
    if (layer.spec.has_weights()) {
      const bool last = i + 1 == plan_.layers.size();
      auto block = std::make_unique<WeightBlock>(layer, settings_, seed, number++, last, dtype);
      weight_blocks_.push_back(block.get());
      blocks_.push_back(std::move(block));
    } else {
      blocks_.push_back(std::make_unique<PoolBlock>(layer, settings_, dtype));
    }
    blocks_.back()->collect(parameters_);
  }
  class_of_ = assign_classes(plan_, settings_.voting, seed);
  if (CompactChain::supports(settings_, dtype_)) chain_ = std::make_unique<CompactChain>(blocks_, settings_);
}

Network::~Network() = default;

at::Tensor Network::prepare_input(const at::Tensor& input) const {
  const auto& shape = plan_.input;
  const bool fits = input.dim() == 5 && input.size(0) > 0 && input.size(1) > 0 &&
                    input.size(2) == shape.channels && input.size(3) == shape.height &&
                    input.size(4) == shape.width;
  const bool ann = settings_.kind == model::NetworkKind::kAnn;
  if (!fits || (!ann && input.size(0) != 1 && input.size(0) != settings_.num_steps)) {
    std::ostringstream text;
    text << "network input must be [T, N, C, H, W] with T = " << settings_.num_steps
         << " (or 1: a still image), N at least 1 and C x H x W = " << model::to_string(shape) << ", not "
         << input.sizes();
    throw ShapeError(text.str());
  }
  at::Tensor x = input.to(at::TensorOptions(dtype_).device(device_));
  if (ann && x.size(0) != 1) x = x.mean(0, true);
  return x;
}

at::Tensor Network::forward(const at::Tensor& input, const ForwardOptions& options) {
  at::Tensor x = prepare_input(input);
  if (device_chain_ != nullptr) return forward_on_device(x, options);
  if (!device_.is_cpu()) return ann_forward(blocks_, x, options, class_of_.to(device_), plan_.num_classes);
  if (chain_ != nullptr) {
    x = compact_forward(*chain_, x, options);
  } else {
    for (auto& block : blocks_) x = block->forward(x, options);
  }
  return ops::voting(x, class_of_, plan_.num_classes);
}

at::Tensor Network::ann_votes(const at::Tensor& input, const ForwardOptions& options) {
  return ann_forward(blocks_, prepare_input(input), options, class_of_.to(device_), plan_.num_classes);
}

at::Tensor Network::forward_on_device(const at::Tensor& x, const ForwardOptions& options) {
  DeviceSums sums(weight_blocks_.size(), device_);
  at::Tensor votes = device_chain_->infer(x, &sums);
  if (options.activity != nullptr) {
    const at::Tensor spikes = sums.spikes.to(at::kCPU);
    const auto neuron_steps = device_chain_->neuron_steps();
    for (std::size_t l = 0; l < weight_blocks_.size(); ++l) {
      options.activity->push_back(
          {weight_blocks_[l]->name(), spikes[static_cast<std::int64_t>(l)], neuron_steps[l] * x.size(1)});
    }
  }
  return votes;
}

std::unique_ptr<DeviceChain> Network::make_device_chain() const {
  return std::make_unique<DeviceChain>(blocks_, settings_, class_of_, plan_.num_classes);
}

void Network::to(const at::Device& device) {
  const at::NoGradGuard no_grad;
  device_chain_.reset();
  const bool spiking = settings_.kind == model::NetworkKind::kSpiking;
  if (spiking && !device.is_cpu()) make_device_chain();  // refuses before anything is moved
  for (Parameter& parameter : parameters_) {
    parameter.value.set_data(parameter.value.detach().to(device));
    parameter.value.mutable_grad().reset();
    // Replayed steps write past the version counter, by which converted weights are kept.
    parameter.value.unsafeGetTensorImpl()->bump_version();
  }
  device_ = device;
  if (spiking && !device.is_cpu()) device_chain_ = make_device_chain();
}

void Network::clamp_neuron_parameters() {
  for (WeightBlock* block : weight_blocks_) block->clamp_neuron();
}

std::vector<LayerCrossover> Network::measure_crossovers(std::int64_t batch) {
  return chain_ != nullptr ? chain_->measure_crossovers(batch) : std::vector<LayerCrossover>();
}

void Network::set_crossovers(const std::vector<LayerCrossover>& crossovers) {
  if (chain_ == nullptr) return;
  for (const auto& crossover : crossovers) {
    if (!chain_->set_crossover(crossover)) {
      throw ConfigError("the network has no layer '" + crossover.layer + "' to choose a path for");
    }
  }
}

std::vector<double> Network::calibrate(const at::Tensor& input, double firing_rate,
                                       CalibrationTarget target) {
  if (settings_.kind == model::NetworkKind::kAnn) {
    throw ConfigError("an ANN has no firing rate to calibrate");
  }
  if (!(firing_rate > 0.0 && firing_rate < 1.0)) {
    throw ConfigError("the firing rate must lie between 0 and 1, not " + std::to_string(firing_rate));
  }
  const at::NoGradGuard no_grad;
  std::vector<double> reached;
  at::Tensor x = prepare_input(input);
  for (auto& block : blocks_) {
    if (auto* layer = dynamic_cast<WeightBlock*>(block.get())) {
      const at::Tensor current = layer->current(x, {});
      // The rate grows with the scale: bisection on its logarithm.
      double low = -12.0, high = 12.0, rate = 0.0, scale = 1.0;
      for (int step = 0; step < 30; ++step) {
        const double middle = step == 0 ? 0.0 : 0.5 * (low + high);
        scale = std::exp2(middle);
        rate = layer->firing_rate(current, scale);
        if (std::abs(rate - firing_rate) < 0.005 * firing_rate) break;
        (rate < firing_rate ? low : high) = middle;
      }
      if (target == CalibrationTarget::kWeights) {
        layer->scale_weights(scale);
      } else {
        layer->set_v_threshold(layer->v_threshold() / scale);
      }
      reached.push_back(rate);
      x = layer->forward(x, {});
    } else {
      x = block->forward(x, {});
    }
  }
  return reached;
}

}  // namespace spikeloom::nn
