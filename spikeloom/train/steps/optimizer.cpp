#include "spikeloom/train/steps/optimizer.h"

#include <algorithm>
#include <sstream>

#include "spikeloom/base/errors.h"

namespace spikeloom::train {
namespace {

// Beyond what floats hold; Adam divides the rate by 1 - beta1.
void check_fits_float(const std::string& name, double value) {
  constexpr double kLargest = 1e30;
  if (!(value <= kLargest)) {
    std::ostringstream text;
    text << value << " (factors included) is beyond what 32-bit arithmetic can use (1e30); lower it";
    throw ConfigError(text.str(), "", 0, "optimizer." + name);
  }
}

const SavedTensor& find(const std::vector<SavedTensor>& state, const std::string& name,
                        const std::vector<std::int64_t>& shape) {
  const auto found = std::find_if(state.begin(), state.end(),
                                  [&](const SavedTensor& tensor) { return tensor.name == name; });
  if (found == state.end()) throw CheckpointError("the checkpoint has no optimiser state '" + name + "'");
  if (found->shape != shape) {
    throw CheckpointError("the checkpoint's optimiser state '" + name + "' has another shape");
  }
  return *found;
}

std::int64_t whole_number(const std::vector<SavedTensor>& state, const std::string& name) {
  const SavedTensor& tensor = find(state, name, {});
  if (tensor.integers.empty()) {
    throw CheckpointError("the checkpoint's optimiser state '" + name + "' is not a whole number");
  }
  return tensor.integers.front();
}

// What an average is saved as: "average.conv1.weight", and how many updates are in it.
constexpr const char* kAveragePrefix = "average.";
constexpr const char* kAverageSteps = "average_steps";

}  // namespace

double rate_factor(const model::Program& program, int index, const OptimizerSettings& settings) {
  double encoding = 1.0;
  if (!program.stages.empty()) {
    const model::Product& first = program.stages.front().product;
    if (index == first.weight || index == first.bias) encoding = settings.encoding_rate_factor;
  }
  switch (program.slot(index).role) {
    case model::Role::kFullyConnected:
      return encoding * settings.fully_connected_rate_factor;
    case model::Role::kNeuNorm:
      return settings.neunorm_rate_factor;
    case model::Role::kNeuron:
      return settings.neuron_rate_factor;
    default:
      break;
  }
  return encoding;
}

double weight_decay_of(const model::Slot& slot, const OptimizerSettings& settings) {
  const bool is_weight =
      !slot.is_bias && (slot.role == model::Role::kConvolution || slot.role == model::Role::kFullyConnected);
  return is_weight || settings.decay_all ? settings.weight_decay : 0.0;
}

engine::Optimizer make_optimizer(engine::Engine& engine, const OptimizerSettings& settings) {
  check_fits_float("learning_rate", settings.learning_rate);
  check_fits_float("weight_decay", settings.weight_decay);
  check_fits_float("epsilon", settings.epsilon);
  engine::UpdateRule rule;
  rule.kind = settings.kind == OptimizerSettings::kSgd ? engine::UpdateRule::kSgd : engine::UpdateRule::kAdam;
  rule.decoupled_decay = settings.kind == OptimizerSettings::kAdamW;
  rule.nesterov = settings.nesterov;
  rule.momentum = settings.momentum;
  rule.beta1 = settings.beta1;
  rule.beta2 = settings.beta2;
  rule.epsilon = settings.epsilon;
  rule.max_gradient_norm = settings.max_gradient_norm;
  rule.average_decay = settings.average_decay;
  std::vector<engine::SlotUpdate> slots;
  int index = 0;
  for (const model::Slot& slot : engine.program().slots) {
    const int here = index++;
    if (!slot.trained) continue;
    const double factor = rate_factor(engine.program(), here, settings);
    check_fits_float("learning_rate", settings.learning_rate * factor);
    slots.push_back({here, factor, weight_decay_of(slot, settings)});
  }
  return {engine, rule, std::move(slots)};
}

std::vector<SavedTensor> optimizer_state(const engine::Optimizer& optimizer, const engine::Engine& engine) {
  std::vector<SavedTensor> state;
  if (optimizer.steps() == 0) return state;
  const bool adam = optimizer.rule().kind == engine::UpdateRule::kAdam;
  for (const engine::SlotUpdate& update : optimizer.slots()) {
    const model::Slot& slot = engine.program().slot(update.slot);
    if (adam) {
      state.push_back({"exp_avg." + slot.name, slot.shape, optimizer.first_moment(update.slot), {}});
      state.push_back({"exp_avg_sq." + slot.name, slot.shape, optimizer.second_moment(update.slot), {}});
      state.push_back({"step." + slot.name, {}, {}, {optimizer.steps()}});
    } else if (optimizer.rule().has_first_moment()) {
      state.push_back({"momentum_buffer." + slot.name, slot.shape, optimizer.first_moment(update.slot), {}});
    }
  }
  if (optimizer.has_average()) {
    state.push_back({kAverageSteps, {}, {}, {optimizer.steps()}});
    int index = 0;
    for (const model::Slot& slot : engine.program().slots) {
      state.push_back({kAveragePrefix + slot.name, slot.shape, optimizer.average(index++), {}});
    }
  }
  return state;
}

void load_optimizer_state(engine::Optimizer& optimizer, const engine::Engine& engine,
                          const std::vector<SavedTensor>& state) {
  if (state.empty()) return;  // saved before the first step
  const bool adam = optimizer.rule().kind == engine::UpdateRule::kAdam;
  optimizer.set_steps(1);  // of SGD only whether there were any counts
  for (const engine::SlotUpdate& update : optimizer.slots()) {
    const model::Slot& slot = engine.program().slot(update.slot);
    if (adam) {
      optimizer.set_first_moment(update.slot, find(state, "exp_avg." + slot.name, slot.shape).values);
      optimizer.set_second_moment(update.slot, find(state, "exp_avg_sq." + slot.name, slot.shape).values);
      optimizer.set_steps(whole_number(state, "step." + slot.name));
    } else if (optimizer.rule().has_first_moment()) {
      optimizer.set_first_moment(update.slot, find(state, "momentum_buffer." + slot.name, slot.shape).values);
    }
  }
  if (optimizer.has_average()) {
    optimizer.set_steps(whole_number(state, kAverageSteps));
    int index = 0;
    for (const model::Slot& slot : engine.program().slots) {
      optimizer.set_average(index++, find(state, kAveragePrefix + slot.name, slot.shape).values);
    }
  }
}

}  // namespace spikeloom::train
