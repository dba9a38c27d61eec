#include "spikeloom/train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "spikeloom/base/errors.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using nn::Parameter;
using nn::ParameterRole;
using testing::contains;
using testing::message_of;

Parameter parameter(const std::string& name, ParameterRole role, const std::vector<double>& values) {
  return {name, at::tensor(values, at::kDouble).set_requires_grad(true), role};
}

void set_gradient(Parameter& parameter, const std::vector<double>& values) {
  parameter.value.mutable_grad() = at::tensor(values, at::kDouble);
}

void expect_values(const at::Tensor& tensor, const std::vector<double>& expected) {
  ASSERT_EQ(tensor.numel(), static_cast<std::int64_t>(expected.size()));
  const at::Tensor values = tensor.detach().contiguous();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(values.data_ptr<double>()[i], expected[i], 1e-12) << "element " << i;
  }
}

TEST(Optimizer, EachRoleHasItsFactor) {
  std::vector<Parameter> parameters = {parameter("fc1.weight", ParameterRole::kFullyConnected, {1.0}),
                                       parameter("conv1.weight", ParameterRole::kConvolution, {1.0}),
                                       parameter("conv1.decay", ParameterRole::kNeuron, {1.0}),
                                       parameter("conv1.neunorm_u", ParameterRole::kNeuNorm, {1.0}),
                                       parameter("conv2.weight", ParameterRole::kConvolution, {1.0})};
  OptimizerSettings settings;
  settings.learning_rate = 0.5;
  settings.momentum = 0.0;
  settings.fully_connected_rate_factor = 0.1;
  settings.neuron_rate_factor = 0.25;
  settings.neunorm_rate_factor = 2.0;
  Optimizer optimizer(parameters, settings);
  for (auto& p : parameters) set_gradient(p, {0.1});
  optimizer.step();
  const double after[] = {1.0 - 0.005, 1.0 - 0.05, 1.0 - 0.0125, 1.0 - 0.1, 1.0 - 0.05};
  for (std::size_t i = 0; i < parameters.size(); ++i) expect_values(parameters[i].value, {after[i]});
  optimizer.set_learning_rate(1.0);
  for (auto& p : parameters) set_gradient(p, {0.1});
  optimizer.step();
  const double later[] = {after[0] - 0.01, after[1] - 0.1, after[2] - 0.025, after[3] - 0.2, after[4] - 0.1};
  for (std::size_t i = 0; i < parameters.size(); ++i) expect_values(parameters[i].value, {later[i]});
}

// What is made of weights and kept goes by it.
TEST(Optimizer, EachStepShowsInTheVersionOfTheWeights) {
  for (const auto kind : {OptimizerSettings::kSgd, OptimizerSettings::kAdam}) {
    std::vector<Parameter> parameters = {parameter("w", ParameterRole::kConvolution, {1.0, -2.0})};
    OptimizerSettings settings;
    settings.kind = kind;
    Optimizer optimizer(parameters, settings);
    for (int step = 0; step < 3; ++step) {
      const auto before = parameters[0].value._version();
      set_gradient(parameters[0], {0.1, 0.2});
      optimizer.step();
      EXPECT_GT(parameters[0].value._version(), before) << kind;
    }
  }
}

TEST(Optimizer, SgdWithMomentumAndWeightDecayByHand) {
  std::vector<Parameter> parameters = {parameter("w", ParameterRole::kConvolution, {1.0, -2.0})};
  OptimizerSettings settings;
  settings.learning_rate = 0.1;
  settings.momentum = 0.9;
  settings.weight_decay = 0.01;
  Optimizer optimizer(parameters, settings);
  double w[2] = {1.0, -2.0}, buffer[2] = {0.0, 0.0};
  const double gradients[3][2] = {{0.5, -1.0}, {0.25, 2.0}, {-1.0, 0.0}};
  for (const auto& gradient : gradients) {
    set_gradient(parameters[0], {gradient[0], gradient[1]});
    optimizer.step();
    for (int i = 0; i < 2; ++i) {
      buffer[i] = 0.9 * buffer[i] + gradient[i] + 0.01 * w[i];
      w[i] -= 0.1 * buffer[i];
    }
    expect_values(parameters[0].value, {w[0], w[1]});
    EXPECT_FALSE(parameters[0].value.grad().defined()) << "gradients are dropped after a step";
  }
  expect_values(parameters[0].value, {0.911609749, -2.097969498});  // as numbers
}

TEST(Optimizer, AdamByHand) {
  std::vector<Parameter> parameters = {parameter("w", ParameterRole::kFullyConnected, {1.0, -2.0})};
  OptimizerSettings settings;
  settings.kind = OptimizerSettings::kAdam;
  settings.learning_rate = 0.1;
  settings.epsilon = 1e-3;
  settings.weight_decay = 0.01;
  Optimizer optimizer(parameters, settings);
  double w[2] = {1.0, -2.0}, m[2] = {0.0, 0.0}, v[2] = {0.0, 0.0};
  const double gradients[3][2] = {{0.5, -1.0}, {0.25, 2.0}, {-1.0, 0.0}};
  for (int step = 1; step <= 3; ++step) {
    set_gradient(parameters[0], {gradients[step - 1][0], gradients[step - 1][1]});
    optimizer.step();
    for (int i = 0; i < 2; ++i) {
      const double g = gradients[step - 1][i] + 0.01 * w[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      w[i] -= 0.1 * (m[i] / (1.0 - std::pow(0.9, step))) /
              (std::sqrt(v[i] / (1.0 - std::pow(0.999, step))) + 1e-3);
    }
    expect_values(parameters[0].value, {w[0], w[1]});
  }
}

// Biases, U, decays and thresholds have no reason to be small.
TEST(Optimizer, WeightDecayActsOnWeightsOfLayersOnly) {
  for (const auto kind : {OptimizerSettings::kSgd, OptimizerSettings::kAdam}) {
    for (const bool all : {false, true}) {
      std::vector<Parameter> parameters = {parameter("conv1.weight", ParameterRole::kConvolution, {1.0}),
                                           parameter("conv1.bias", ParameterRole::kConvolution, {1.0}),
                                           parameter("conv1.neunorm_u", ParameterRole::kNeuNorm, {1.0}),
                                           parameter("conv1.decay", ParameterRole::kNeuron, {1.0}),
                                           parameter("conv1.v_threshold", ParameterRole::kNeuron, {1.0}),
                                           parameter("fc1.weight", ParameterRole::kFullyConnected, {1.0}),
                                           parameter("fc1.bias", ParameterRole::kFullyConnected, {1.0})};
      parameters[1].is_bias = parameters[6].is_bias = true;
      OptimizerSettings settings;
      settings.kind = kind;
      settings.learning_rate = 0.125;
      settings.weight_decay = 0.5;
      settings.decay_all = all;
      Optimizer optimizer(parameters, settings);
      for (auto& p : parameters) set_gradient(p, {0.0});
      optimizer.step();
      for (const auto& p : parameters) {
        const bool decays = all || p.name == "conv1.weight" || p.name == "fc1.weight";
        EXPECT_EQ(p.value.item().toDouble() < 1.0, decays) << p.name;
        EXPECT_EQ(weight_decay_of(p, settings), decays ? 0.5 : 0.0) << p.name;
      }
      // What is remembered goes by names, so that it can be loaded by the other setting.
      settings.decay_all = !all;
      Optimizer other(parameters, settings);
      other.load_state(optimizer.state());
    }
  }
}

TEST(Optimizer, TheWholeGradientIsScaledToTheLargestNorm) {
  std::vector<Parameter> parameters = {parameter("a", ParameterRole::kConvolution, {0.0}),
                                       parameter("b", ParameterRole::kFullyConnected, {0.0})};
  OptimizerSettings settings;
  settings.learning_rate = 1.0;
  settings.momentum = 0.0;
  settings.max_gradient_norm = 1.0;
  Optimizer optimizer(parameters, settings);
  set_gradient(parameters[0], {3.0});
  set_gradient(parameters[1], {-4.0});
  optimizer.step();
  EXPECT_NEAR(parameters[0].value.item().toDouble(), -0.6, 1e-6);
  EXPECT_NEAR(parameters[1].value.item().toDouble(), 0.8, 1e-6);
  set_gradient(parameters[0], {0.3});
  set_gradient(parameters[1], {0.4});
  optimizer.step();  // shorter than the limit: as it is
  EXPECT_NEAR(parameters[0].value.item().toDouble(), -0.9, 1e-6);
  EXPECT_NEAR(parameters[1].value.item().toDouble(), 0.4, 1e-6);
}

class OptimizerState : public ::testing::TestWithParam<OptimizerSettings::Kind> {
 protected:
  OptimizerState() {
    settings_.kind = GetParam();
    settings_.learning_rate = 0.03;
  }
  static std::vector<Parameter> fresh() {
    return {parameter("conv1.weight", ParameterRole::kConvolution, {1.0, 2.0}),
            parameter("fc1.bias", ParameterRole::kFullyConnected, {3.0})};
  }
  static void step(Optimizer& optimizer, std::vector<Parameter>& parameters, double gradient) {
    set_gradient(parameters[0], {gradient, -gradient});
    set_gradient(parameters[1], {2.0 * gradient});
    optimizer.step();
  }
  OptimizerSettings settings_;
};

TEST_P(OptimizerState, GoesOnBitForBit) {
  auto parameters = fresh();
  Optimizer optimizer(parameters, settings_);
  EXPECT_TRUE(optimizer.state().empty()) << "no step yet";
  step(optimizer, parameters, 0.7);
  step(optimizer, parameters, 0.1);

  auto copies = fresh();
  Optimizer second(copies, settings_);
  second.load_state({});  // saved before the first step
  for (std::size_t i = 0; i < copies.size(); ++i)
    copies[i].value.set_data(parameters[i].value.detach().clone());
  Optimizer third(copies, settings_);
  std::vector<std::pair<std::string, at::Tensor>> saved;
  for (const auto& [name, tensor] : optimizer.state()) saved.emplace_back(name, tensor.clone());
  third.load_state(saved);
  step(optimizer, parameters, -0.4);
  step(third, copies, -0.4);
  for (std::size_t i = 0; i < copies.size(); ++i)
    EXPECT_TRUE(copies[i].value.equal(parameters[i].value)) << i;
}

TEST_P(OptimizerState, IsNamedAndRefusedWhenIncomplete) {
  auto parameters = fresh();
  Optimizer optimizer(parameters, settings_);
  step(optimizer, parameters, 0.7);
  auto state = optimizer.state();
  const bool adam = GetParam() == OptimizerSettings::kAdam;
  ASSERT_EQ(state.size(), adam ? 6u : 2u);
  EXPECT_EQ(state[0].first, adam ? "exp_avg.conv1.weight" : "momentum_buffer.conv1.weight");
  const std::string last = adam ? "step.fc1.bias" : "momentum_buffer.fc1.bias";
  EXPECT_EQ(state.back().first, last);

  auto missing = state;
  missing.pop_back();
  EXPECT_TRUE(
      contains(message_of<CheckpointError>([&] { optimizer.load_state(missing); }), "'" + last + "'"));
  auto reshaped = state;
  reshaped[0].second = at::zeros({3}, at::kDouble);
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { optimizer.load_state(reshaped); }), state[0].first));
  auto no_scalar = state;
  no_scalar.back().second = at::zeros({2, 2}, at::kLong);
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { optimizer.load_state(no_scalar); }), last));
}

INSTANTIATE_TEST_SUITE_P(Kinds, OptimizerState,
                         ::testing::Values(OptimizerSettings::kSgd, OptimizerSettings::kAdam),
                         [](const auto& kind) {
                           return kind.param == OptimizerSettings::kAdam ? "adam" : "sgd";
                         });

TEST(Optimizer, NumbersBeyondFloatAreNamed) {
  const auto refused = [](double OptimizerSettings::*member, double value) {
    OptimizerSettings settings;
    settings.*member = value;
    auto parameters = std::vector<Parameter>{parameter("w", ParameterRole::kFullyConnected, {1.0})};
    try {
      Optimizer optimizer(parameters, settings);
    } catch (const ConfigError& error) {
      return error.key();
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refused(&OptimizerSettings::learning_rate, 1e31), "optimizer.learning_rate");
  EXPECT_EQ(refused(&OptimizerSettings::weight_decay, 1e39), "optimizer.weight_decay");
  EXPECT_EQ(refused(&OptimizerSettings::fully_connected_rate_factor, 1e39), "optimizer.learning_rate");
  EXPECT_EQ(refused(&OptimizerSettings::learning_rate, 1e30), "accepted");
}

}  // namespace
}  // namespace spikeloom::train
