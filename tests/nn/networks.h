#pragma once
// Networks for tests, and the plain composition of one.
#include <ATen/ATen.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "spikeloom/model/plan.h"
#include "spikeloom/nn/network.h"
#include "tests/ops/composition.h"
#include "tests/ops/tensors.h"

namespace spikeloom::nn::test {

using ops::test::close_to;
using ops::test::largest;
using ops::test::leaf;
using ops::test::random_normal;
using ops::test::same;

inline model::NetworkSettings settings_of(const std::string& structure, int num_steps = 3) {
  model::NetworkSettings settings;
  settings.structure = structure;
  settings.num_steps = num_steps;
  settings.voting.neurons_per_class = 2;
  return settings;
}

inline Network make_network(const model::NetworkSettings& settings, model::Shape input, int num_classes = 3,
                            std::uint64_t seed = 1, at::ScalarType dtype = at::kDouble) {
  return Network(model::plan_network(settings, input, num_classes), settings, seed, dtype);
}

inline const Parameter* find(const Network& network, const std::string& name) {
  for (const auto& parameter : network.parameters()) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

inline at::Tensor value_of(const Network& network, const std::string& name) {
  const Parameter* parameter = find(network, name);
  if (parameter == nullptr) throw std::out_of_range(name);
  return parameter->value;
}

inline void assign(const Network& network, const std::string& name, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  value_of(network, name).copy_(values);
}

/// Every parameter (values) or its gradient, in order.
inline std::vector<at::Tensor> values_of(const Network& network) {
  std::vector<at::Tensor> result;
  for (const auto& parameter : network.parameters()) result.push_back(parameter.value.detach().clone());
  return result;
}
inline std::vector<at::Tensor> gradients_of(const Network& network) {
  std::vector<at::Tensor> result;
  for (const auto& parameter : network.parameters()) result.push_back(parameter.value.grad().clone());
  return result;
}

inline void clear_gradients(const Network& network) {
  for (const auto& parameter : network.parameters())
    at::Tensor(parameter.value).mutable_grad() = at::Tensor();
}

/// One step of plain SGD on every parameter.
inline void descend(const Network& network, double learning_rate) {
  const at::NoGradGuard no_grad;
  for (const auto& parameter : network.parameters()) {
    at::Tensor value = parameter.value;
    value.sub_(value.grad(), learning_rate);
  }
}

/// Firing rate of each layer in one forward pass.
inline std::vector<double> firing_rates(Network& network, const at::Tensor& input) {
  const at::NoGradGuard no_grad;
  std::vector<LayerActivity> activity;
  ForwardOptions options;
  options.activity = &activity;
  network.forward(input, options);
  std::vector<double> rates;
  for (const auto& layer : activity) {
    rates.push_back(layer.spike_count.item().toDouble() / static_cast<double>(layer.neuron_steps));
  }
  return rates;
}

/// A leaf equal to each parameter of a network, found by name; the network's forward pass by plain operators.
class PlainNetwork {
 public:
  explicit PlainNetwork(const Network& network) : network_(network) {
    for (const auto& parameter : network.parameters())
      leaves_.push_back({parameter.name, leaf(parameter.value)});
  }

  const std::vector<std::pair<std::string, at::Tensor>>& leaves() const { return leaves_; }

  /// input [T, N, C, H, W] (T = 1 in an ANN) -> votes.
  at::Tensor forward(const at::Tensor& input) const {
    const model::NetworkSettings& settings = network_.settings();
    const bool ann = settings.kind == model::NetworkKind::kAnn;
    const std::int64_t num_steps = ann ? 1 : settings.num_steps, batch = input.size(1);
    at::Tensor x = input;
    for (const auto& layer : network_.plan().layers) {
      const auto kind = layer.spec.kind;
      if (kind == model::LayerKind::kAveragePool) {
        x = ops::test::plain_avg_pool(x, layer.spec.kernel);
      } else {
        if (kind == model::LayerKind::kConvolution) {
          x = at::conv2d(x.reshape({num_steps * batch, x.size(2), x.size(3), x.size(4)}),
                         get(layer.name + ".weight"), get(layer.name + ".bias"), layer.spec.stride,
                         layer.spec.padding);
          x = x.reshape({num_steps, batch, x.size(1), x.size(2), x.size(3)});
        } else {
          // Columns of the first fully connected layer: rows, columns, channels.
          if (x.dim() == 5) x = x.permute({0, 1, 3, 4, 2}).reshape({num_steps, batch, -1});
          x = at::matmul(x, get(layer.name + ".weight").t());
          if (settings.bias) x = x + get(layer.name + ".bias");
        }
        const bool last = &layer == &network_.plan().layers.back();
        if (ann) {
          if (!last) x = at::relu(x);
        } else {
          x = ops::test::plain_lif(x, scalar(layer.name + ".decay", settings.neuron.decay),
                                   scalar(layer.name + ".v_threshold", settings.neuron.v_threshold),
                                   num_steps, settings.neuron)
                  .spikes;
        }
      }
      if (layer.neunorm_after) {
        const double maps = static_cast<double>(x.size(2));
        const bool mean = settings.neunorm.scale == kernels::NeuNormScale::kMean;
        x = ops::test::plain_neunorm(x, get(layer.name + ".neunorm_u"), settings.neunorm.decay,
                                     (1 - settings.neunorm.decay) / (mean ? maps : maps * maps));
      }
    }
    return ops::test::plain_voting(x, network_.class_of(), network_.plan().num_classes);
  }

 private:
  at::Tensor get(const std::string& name) const {
    for (const auto& item : leaves_) {
      if (item.first == name) return item.second;
    }
    return {};
  }
  at::Tensor scalar(const std::string& name, double fixed) const {
    const at::Tensor learnable = get(name);
    return learnable.defined() ? learnable : at::scalar_tensor(fixed, at::kDouble);
  }

  const Network& network_;
  std::vector<std::pair<std::string, at::Tensor>> leaves_;
};

}  // namespace spikeloom::nn::test
