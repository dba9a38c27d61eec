#include "spikeloom/train/steps/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "spikeloom/backends/cpu/cpu_backend.h"
#include "spikeloom/base/errors.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;

// A backend whose gradients a test can set.
class OpenBackend : public backends::CpuBackend {
 public:
  OpenBackend() : CpuBackend({}, nullptr) {}
  engine::ParameterStore& store() { return *parameters_; }
};

/// Slots with some values each, and an engine that holds them.
class Slots {
 public:
  struct Value {
    std::string name;
    model::Role role;
    std::vector<float> values;
    bool is_bias = false;
  };

  explicit Slots(const std::vector<Value>& values) {
    model::Program program;
    for (const Value& value : values) {
      model::Slot slot;
      slot.name = value.name;
      slot.shape = {static_cast<std::int64_t>(value.values.size())};
      slot.role = value.role;
      slot.is_bias = value.is_bias;
      slot.offset = program.flat_size;
      slot.size = slot.shape[0];
      program.flat_size += model::kSlotAlignment;
      program.slots.push_back(slot);
    }
    program.class_of = {0};
    auto backend = std::make_unique<OpenBackend>();
    backend_ = backend.get();
    engine_ = std::make_unique<engine::Engine>(std::move(program), std::move(backend));
    for (std::size_t i = 0; i < values.size(); ++i) engine_->write(static_cast<int>(i), values[i].values);
  }

  engine::Engine& engine() { return *engine_; }
  std::vector<float> operator[](int slot) const { return engine_->read(slot); }
  void set_gradient(int slot, const std::vector<float>& values) {
    const engine::Buffer gradient =
        engine_->backend().memory().allocate(static_cast<std::int64_t>(values.size()), engine::Type::kFloat);
    engine_->backend().memory().from_host(values.data(), gradient);
    backend_->store().gradients[static_cast<std::size_t>(slot)] = gradient;
  }
  std::uint64_t version() const { return backend_->store().version; }

 private:
  OpenBackend* backend_ = nullptr;
  std::unique_ptr<engine::Engine> engine_;
};

void step(engine::Optimizer& optimizer, double learning_rate) {
  optimizer.prepare(0, learning_rate);
  optimizer.step();
}

constexpr double kNear = 2e-7;

TEST(Optimizer, EachRoleHasItsFactor) {
  Slots slots({{"fc1.weight", model::Role::kFullyConnected, {1.0f}},
               {"conv1.weight", model::Role::kConvolution, {1.0f}},
               {"conv1.decay", model::Role::kNeuron, {1.0f}},
               {"conv1.neunorm_u", model::Role::kNeuNorm, {1.0f}},
               {"conv2.weight", model::Role::kConvolution, {1.0f}}});
  OptimizerSettings settings;
  settings.momentum = 0.0;
  settings.fully_connected_rate_factor = 0.1;
  settings.neuron_rate_factor = 0.25;
  settings.neunorm_rate_factor = 2.0;
  auto optimizer = make_optimizer(slots.engine(), settings);
  for (int i = 0; i < 5; ++i) slots.set_gradient(i, {0.1f});
  step(optimizer, 0.5);
  const double after[] = {1.0 - 0.005, 1.0 - 0.05, 1.0 - 0.0125, 1.0 - 0.1, 1.0 - 0.05};
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(slots[i][0], after[i], kNear) << i;
  for (int i = 0; i < 5; ++i) slots.set_gradient(i, {0.1f});
  step(optimizer, 1.0);
  const double later[] = {after[0] - 0.01, after[1] - 0.1, after[2] - 0.025, after[3] - 0.2, after[4] - 0.1};
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(slots[i][0], later[i], kNear) << i;
}

TEST(Optimizer, TheFirstLayerHasAFactorOfItsOwn) {
  model::NetworkSettings settings;
  settings.structure = "2C3(Encoding)-3C3-4FC-Voting";
  const model::Program program =
      model::make_program(model::plan_network(settings, {1, 4, 4}, 2), settings, 1);
  OptimizerSettings optimizer;
  optimizer.encoding_rate_factor = 0.5;
  optimizer.fully_connected_rate_factor = 0.1;
  const auto factor = [&](const char* slot) {
    return rate_factor(program, program.find_slot(slot), optimizer);
  };
  EXPECT_EQ(factor("conv1.weight"), 0.5);
  EXPECT_EQ(factor("conv1.bias"), 0.5);
  EXPECT_EQ(factor("conv2.weight"), 1.0);
  EXPECT_EQ(factor("fc1.weight"), 0.1);
  settings.structure = "4FC-Voting";
  const model::Program connected =
      model::make_program(model::plan_network(settings, {1, 4, 4}, 2), settings, 1);
  EXPECT_EQ(rate_factor(connected, connected.find_slot("fc1.weight"), optimizer), 0.5 * 0.1);
}

// What is made of weights and kept goes by it.
TEST(Optimizer, EachStepShowsInTheVersionOfTheWeightsAndDropsGradients) {
  for (const auto kind : {OptimizerSettings::kSgd, OptimizerSettings::kAdam}) {
    Slots slots({{"w", model::Role::kConvolution, {1.0f, -2.0f}}});
    OptimizerSettings settings;
    settings.kind = kind;
    auto optimizer = make_optimizer(slots.engine(), settings);
    for (int i = 0; i < 3; ++i) {
      const auto before = slots.version();
      slots.set_gradient(0, {0.1f, 0.2f});
      step(optimizer, 0.1);
      EXPECT_GT(slots.version(), before) << kind;
      EXPECT_TRUE(slots.engine().gradient(0).empty());
    }
  }
}

TEST(Optimizer, AverageByHandWithItsWarmUp) {
  Slots slots(
      {{"w", model::Role::kConvolution, {1.0f, -2.0f}}, {"b", model::Role::kConvolution, {0.5f}, true}});
  OptimizerSettings settings;
  settings.momentum = 0.0;
  settings.average_decay = 0.3;
  auto optimizer = make_optimizer(slots.engine(), settings);
  ASSERT_TRUE(optimizer.has_average());
  double average[] = {1.0, -2.0, 0.5};
  for (int n = 1; n <= 9; ++n) {
    slots.set_gradient(0, {0.25f * static_cast<float>(n), -1.0f});
    slots.set_gradient(1, {1.0f});
    step(optimizer, 0.1);
    const double decay = std::min(0.3, (1.0 + n) / (10.0 + n));  // 0.18, 0.25, then 0.3
    const double now[] = {slots[0][0], slots[0][1], slots[1][0]};
    for (int i = 0; i < 3; ++i) average[i] = decay * average[i] + (1.0 - decay) * now[i];
    const auto w = optimizer.average(0), b = optimizer.average(1);
    EXPECT_NEAR(w[0], average[0], 4 * kNear) << n;
    EXPECT_NEAR(w[1], average[1], 4 * kNear) << n;
    EXPECT_NEAR(b[0], average[2], 4 * kNear) << n;
  }
  const auto own = slots[0], averaged = optimizer.average(0);
  const auto version = slots.version();
  optimizer.exchange_average();
  EXPECT_GT(slots.version(), version) << "what is made of weights is made again";
  EXPECT_EQ(slots[0], averaged);
  EXPECT_EQ(optimizer.average(0), own);
  optimizer.exchange_average();
  EXPECT_EQ(slots[0], own);
}

TEST(Optimizer, AverageIsSavedAndLoaded) {
  const auto fresh = [] { return Slots({{"w", model::Role::kConvolution, {1.0f, -2.0f}}}); };
  OptimizerSettings settings;
  settings.average_decay = 0.9;
  Slots slots = fresh(), copies = fresh();
  auto optimizer = make_optimizer(slots.engine(), settings),
       second = make_optimizer(copies.engine(), settings);
  for (int n = 0; n < 3; ++n) {
    slots.set_gradient(0, {0.5f, 1.0f});
    step(optimizer, 0.1);
  }
  const auto state = optimizer_state(optimizer, slots.engine());
  copies.engine().write(0, slots[0]);
  load_optimizer_state(second, copies.engine(), state);
  for (Slots* each : {&slots, &copies}) each->set_gradient(0, {-1.0f, 0.0f});
  step(optimizer, 0.1);
  step(second, 0.1);
  EXPECT_EQ(second.average(0), optimizer.average(0)) << "the count of its warm-up as well";
  for (const char* name : {"average.w", "average_steps"}) {
    auto damaged = state;
    damaged.erase(std::find_if(damaged.begin(), damaged.end(),
                               [&](const SavedTensor& tensor) { return tensor.name == name; }));
    EXPECT_TRUE(contains(
        message_of<CheckpointError>([&] { load_optimizer_state(second, copies.engine(), damaged); }), name));
  }
}

TEST(Optimizer, SgdWithMomentumAndWeightDecayByHand) {
  Slots slots({{"w", model::Role::kConvolution, {1.0f, -2.0f}}});
  OptimizerSettings settings;
  settings.momentum = 0.9;
  settings.weight_decay = 0.01;
  auto optimizer = make_optimizer(slots.engine(), settings);
  double w[2] = {1.0, -2.0}, buffer[2] = {0.0, 0.0};
  const double gradients[3][2] = {{0.5, -1.0}, {0.25, 2.0}, {-1.0, 0.0}};
  for (const auto& gradient : gradients) {
    slots.set_gradient(0, {static_cast<float>(gradient[0]), static_cast<float>(gradient[1])});
    step(optimizer, 0.1);
    for (std::size_t i = 0; i < 2; ++i) {
      buffer[i] = 0.9 * buffer[i] + gradient[i] + 0.01 * w[i];
      w[i] -= 0.1 * buffer[i];
      EXPECT_NEAR(slots[0][i], w[i], 4 * kNear);
    }
  }
  EXPECT_NEAR(slots[0][0], 0.911609749, 4 * kNear);  // as numbers
  EXPECT_NEAR(slots[0][1], -2.097969498, 4 * kNear);
}

TEST(Optimizer, AdamByHand) {
  Slots slots({{"w", model::Role::kFullyConnected, {1.0f, -2.0f}}});
  OptimizerSettings settings;
  settings.kind = OptimizerSettings::kAdam;
  settings.epsilon = 1e-3;
  settings.weight_decay = 0.01;
  auto optimizer = make_optimizer(slots.engine(), settings);
  double w[2] = {1.0, -2.0}, m[2] = {0.0, 0.0}, v[2] = {0.0, 0.0};
  const double gradients[3][2] = {{0.5, -1.0}, {0.25, 2.0}, {-1.0, 0.0}};
  for (int count = 1; count <= 3; ++count) {
    const auto& gradient = gradients[count - 1];
    slots.set_gradient(0, {static_cast<float>(gradient[0]), static_cast<float>(gradient[1])});
    step(optimizer, 0.1);
    for (std::size_t i = 0; i < 2; ++i) {
      const double g = gradient[i] + 0.01 * w[i];
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      w[i] -= 0.1 * (m[i] / (1.0 - std::pow(0.9, count))) /
              (std::sqrt(v[i] / (1.0 - std::pow(0.999, count))) + 1e-3);
      EXPECT_NEAR(slots[0][i], w[i], 4 * kNear);
    }
  }
}

// Biases, U, decays and thresholds have no reason to be small.
TEST(Optimizer, WeightDecayActsOnWeightsOfLayersOnly) {
  for (const auto kind : {OptimizerSettings::kSgd, OptimizerSettings::kAdam}) {
    for (const bool all : {false, true}) {
      Slots slots({{"conv1.weight", model::Role::kConvolution, {1.0f}},
                   {"conv1.bias", model::Role::kConvolution, {1.0f}, true},
                   {"conv1.neunorm_u", model::Role::kNeuNorm, {1.0f}},
                   {"conv1.decay", model::Role::kNeuron, {1.0f}},
                   {"conv1.v_threshold", model::Role::kNeuron, {1.0f}},
                   {"fc1.weight", model::Role::kFullyConnected, {1.0f}},
                   {"fc1.bias", model::Role::kFullyConnected, {1.0f}, true}});
      OptimizerSettings settings;
      settings.kind = kind;
      settings.weight_decay = 0.5;
      settings.decay_all = all;
      auto optimizer = make_optimizer(slots.engine(), settings);
      for (int i = 0; i < 7; ++i) slots.set_gradient(i, {0.0f});
      step(optimizer, 0.125);
      for (int i = 0; i < 7; ++i) {
        const model::Slot& slot = slots.engine().program().slot(i);
        const bool decays = all || slot.name == "conv1.weight" || slot.name == "fc1.weight";
        EXPECT_EQ(slots[i][0] < 1.0f, decays) << slot.name;
        EXPECT_EQ(weight_decay_of(slot, settings), decays ? 0.5 : 0.0) << slot.name;
      }
      // What is remembered goes by names, so that it can be loaded by the other setting.
      settings.decay_all = !all;
      auto other = make_optimizer(slots.engine(), settings);
      load_optimizer_state(other, slots.engine(), optimizer_state(optimizer, slots.engine()));
    }
  }
}

TEST(Optimizer, TheWholeGradientIsScaledToTheLargestNorm) {
  Slots slots({{"a", model::Role::kConvolution, {0.0f}}, {"b", model::Role::kFullyConnected, {0.0f}}});
  OptimizerSettings settings;
  settings.momentum = 0.0;
  settings.max_gradient_norm = 1.0;
  auto optimizer = make_optimizer(slots.engine(), settings);
  slots.set_gradient(0, {3.0f});
  slots.set_gradient(1, {-4.0f});
  step(optimizer, 1.0);
  EXPECT_NEAR(slots[0][0], -0.6, 1e-6);
  EXPECT_NEAR(slots[1][0], 0.8, 1e-6);
  slots.set_gradient(0, {0.3f});
  slots.set_gradient(1, {0.4f});
  step(optimizer, 1.0);  // shorter than the limit: as it is
  EXPECT_NEAR(slots[0][0], -0.9, 1e-6);
  EXPECT_NEAR(slots[1][0], 0.4, 1e-6);
}

class OptimizerState : public ::testing::TestWithParam<OptimizerSettings::Kind> {
 protected:
  OptimizerState() { settings_.kind = GetParam(); }
  static Slots fresh() {
    return Slots({{"conv1.weight", model::Role::kConvolution, {1.0f, 2.0f}},
                  {"fc1.bias", model::Role::kFullyConnected, {3.0f}, true}});
  }
  static void step_both(Slots& slots, engine::Optimizer& optimizer, float gradient) {
    slots.set_gradient(0, {gradient, -gradient});
    slots.set_gradient(1, {2.0f * gradient});
    step(optimizer, 0.03);
  }
  OptimizerSettings settings_;
};

TEST_P(OptimizerState, ResumesBitForBit) {
  Slots slots = fresh();
  auto optimizer = make_optimizer(slots.engine(), settings_);
  EXPECT_TRUE(optimizer_state(optimizer, slots.engine()).empty()) << "no step yet";
  step_both(slots, optimizer, 0.7f);
  step_both(slots, optimizer, 0.1f);

  Slots copies = fresh();
  auto second = make_optimizer(copies.engine(), settings_);
  load_optimizer_state(second, copies.engine(), {});  // saved before the first step
  for (const int slot : {0, 1}) copies.engine().write(slot, slots[slot]);
  load_optimizer_state(second, copies.engine(), optimizer_state(optimizer, slots.engine()));
  step_both(slots, optimizer, -0.4f);
  step_both(copies, second, -0.4f);
  for (const int slot : {0, 1}) EXPECT_EQ(copies[slot], slots[slot]);
}

TEST_P(OptimizerState, IsNamedAndRefusedWhenIncomplete) {
  Slots slots = fresh();
  auto optimizer = make_optimizer(slots.engine(), settings_);
  step_both(slots, optimizer, 0.7f);
  auto state = optimizer_state(optimizer, slots.engine());
  const bool adam = GetParam() == OptimizerSettings::kAdam;
  ASSERT_EQ(state.size(), adam ? 6u : 2u);
  EXPECT_EQ(state[0].name, adam ? "exp_avg.conv1.weight" : "momentum_buffer.conv1.weight");
  const std::string last = adam ? "step.fc1.bias" : "momentum_buffer.fc1.bias";
  EXPECT_EQ(state.back().name, last);

  const auto refused = [&](const std::vector<SavedTensor>& damaged) {
    return message_of<CheckpointError>([&] { load_optimizer_state(optimizer, slots.engine(), damaged); });
  };
  auto missing = state;
  missing.pop_back();
  EXPECT_TRUE(contains(refused(missing), "'" + last + "'"));
  auto reshaped = state;
  reshaped[0].shape = {3};
  EXPECT_TRUE(contains(refused(reshaped), state[0].name));
  auto no_scalar = state;
  no_scalar.back().shape = {2, 2};
  EXPECT_TRUE(contains(refused(no_scalar), last));
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
    Slots slots({{"w", model::Role::kFullyConnected, {1.0f}}});
    try {
      make_optimizer(slots.engine(), settings);
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
