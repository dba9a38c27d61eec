#pragma once
// Networks for tests, and the plain composition of one.
#include <ATen/ATen.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "spikeloom/model/plan.h"
#include "spikeloom/model/program.h"
#include "spikeloom/model/settings.h"
#include "tests/ops/composition.h"
#include "tests/ops/tensors.h"
#include "tests/reference/network.h"

namespace spikeloom::reference::test {

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

/// With random weights, and U at settings.neunorm.u_init.
inline Network make_network(const model::NetworkSettings& settings, model::Shape input, int num_classes = 3,
                            std::uint64_t seed = 1, at::ScalarType dtype = at::kDouble) {
  const auto plan = model::plan_network(settings, input, num_classes);
  Network network(model::make_program(plan, settings, seed), dtype);
  network.randomise(seed, settings.init.gain);
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : network.parameters()) {
    if (parameter.role == model::Role::kNeuNorm) at::Tensor(parameter.value).fill_(settings.neunorm.u_init);
  }
  return network;
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

/// Every parameter (values) or its gradient, in order; 0 of what is not trained.
inline std::vector<at::Tensor> values_of(const Network& network) {
  std::vector<at::Tensor> result;
  for (const auto& parameter : network.parameters()) result.push_back(parameter.value.detach().clone());
  return result;
}
inline std::vector<at::Tensor> gradients_of(const Network& network) {
  std::vector<at::Tensor> result;
  for (const auto& parameter : network.parameters()) {
    result.push_back(parameter.trained ? parameter.value.grad().clone() : at::zeros_like(parameter.value));
  }
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
    if (parameter.trained) value.sub_(value.grad(), learning_rate);
  }
}

/// Firing rate of each stage that fires in one forward pass.
inline std::vector<double> firing_rates(Network& network, const at::Tensor& input) {
  const at::NoGradGuard no_grad;
  std::vector<StageActivity> activity;
  ForwardOptions options;
  options.activity = &activity;
  network.forward(input, options);
  std::vector<double> rates;
  for (const auto& stage : activity) {
    if (stage.neuron_steps == 0) continue;
    rates.push_back(stage.spike_count.item().toDouble() / static_cast<double>(stage.neuron_steps));
  }
  return rates;
}

}  // namespace spikeloom::reference::test
