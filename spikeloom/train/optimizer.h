#pragma once
// Internal to train: LibTorch's optimisers with this project's parameter groups.
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/nn/parameter.h"
#include "spikeloom/train/recipe.h"

namespace spikeloom::train {

/// What a role's learning rate is multiplied with.
double rate_factor(nn::ParameterRole role, const OptimizerSettings& settings);

/// The weight decay of a parameter: settings.weight_decay for the weights of convolutions and fully connected
/// layers, 0 for biases, U, decays and thresholds, which have no reason to be small, unless
/// settings.decay_all.
double weight_decay_of(const nn::Parameter& parameter, const OptimizerSettings& settings);

/// Throws ConfigError for a rate, decay or epsilon above 1e30, factors included.
void check_optimizer(const std::vector<nn::Parameter>& parameters, const OptimizerSettings& settings);

/// What an optimiser remembers, by name: "momentum_buffer.conv1.weight", "exp_avg.fc1.bias", "step.fc1.bias".
using OptimizerState = std::vector<std::pair<std::string, at::Tensor>>;

/// A saved tensor, or a scalar, of a parameter. Throws CheckpointError if it is missing or has another shape.
at::Tensor saved_state(const OptimizerState& state, const std::string& part, const nn::Parameter& parameter,
                       bool scalar);

/// SGD with momentum or Adam, one parameter group a role, each with its own factor on the learning rate,
/// parted once more where weight decay acts on some of its parameters only.
class Optimizer {
 public:
  /// Throws as check_optimizer does.
  Optimizer(const std::vector<nn::Parameter>& parameters, const OptimizerSettings& settings);
  ~Optimizer();

  /// Learning rate of the next steps, before the groups' factors.
  void set_learning_rate(double learning_rate);
  /// Scales the gradient to at most settings.max_gradient_norm, updates the parameters and drops the
  /// gradients.
  void step();

  /// Everything that step() remembers.
  OptimizerState state() const;
  /// The inverse of state(). Throws CheckpointError for a missing tensor or a wrong shape.
  void load_state(const OptimizerState& state);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom::train
