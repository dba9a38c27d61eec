#pragma once
// Internal to train: a recipe's optimiser for the engine, and what it remembers, by name.
#include <string>
#include <vector>

#include "spikeloom/engine/optimizer.h"
#include "spikeloom/train/recipe/recipe.h"
#include "spikeloom/train/run/saved_tensor.h"

namespace spikeloom::train {

/// What the learning rate is multiplied with for slot `index` of the program: by its role, and of the first
/// stage's weight and bias with encoding_rate_factor too.
double rate_factor(const model::Program& program, int index, const OptimizerSettings& settings);

/// The weight decay of a slot: settings.weight_decay for the weights of convolutions and fully connected
/// layers, 0 for biases, U, decays and thresholds, which have no reason to be small, unless
/// settings.decay_all.
double weight_decay_of(const model::Slot& slot, const OptimizerSettings& settings);

/// Throws ConfigError for a rate, decay or epsilon above 1e30, factors included.
engine::Optimizer make_optimizer(engine::Engine& engine, const OptimizerSettings& settings);

/// Everything that an optimiser remembers: "momentum_buffer.conv1.weight", "exp_avg.fc1.bias",
/// "step.fc1.bias", "average.conv1.weight". Empty before the first step.
std::vector<SavedTensor> optimizer_state(const engine::Optimizer& optimizer, const engine::Engine& engine);

/// The inverse. Throws CheckpointError for a missing tensor or a wrong shape.
void load_optimizer_state(engine::Optimizer& optimizer, const engine::Engine& engine,
                          const std::vector<SavedTensor>& state);

}  // namespace spikeloom::train
