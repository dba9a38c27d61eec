// The engine on the CPU against the same network under autograd.
#include "spikeloom/engine/engine.h"

#include <gtest/gtest.h>

#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "tests/backends/engines.h"

namespace spikeloom::backends::test {
namespace {

using model::NetworkSettings;
using model::Precision;
using model::StateMode;
using reference::test::networks;
using reference::test::random_normal;

struct Case {
  NetworkSettings settings;
  model::Shape input;
  bool events;
  std::int64_t batch = 4;
};

at::Tensor input_of(const Case& c) {
  const std::int64_t steps = c.events ? c.settings.num_steps : 1;
  const at::Tensor x =
      random_normal({steps, c.batch, c.input.channels, c.input.height, c.input.width}, at::kFloat, 5)
          .to(at::kFloat);
  return c.events ? x.gt(0.8).to(at::kFloat) : x.abs();
}

at::Tensor labels_of(const Case& c) { return at::tensor({0, 1, 2, 1, 2}, at::kLong).narrow(0, 0, c.batch); }

struct Passed {
  at::Tensor votes;
  std::vector<at::Tensor> gradients;
  std::vector<std::int64_t> spikes;
  double loss = 0.0;
};

std::unique_ptr<engine::Engine> engine_of(const Case& c) {
  auto engine = make_engine(c.settings, c.input);
  for (const model::Slot& slot : engine->program().slots) {
    if (slot.role != model::Role::kNeuNorm) continue;
    const at::Tensor u = (random_normal({slot.size}, at::kFloat, 9) * 0.3).to(at::kFloat);
    engine->write(engine->program().find_slot(slot.name),
                  {u.data_ptr<float>(), static_cast<std::size_t>(slot.size)});
  }
  return engine;
}

Passed run(engine::Engine& engine, const Case& c) {
  const TestBatch batch(input_of(c), labels_of(c));
  engine::Pass pass;
  pass.training = true;
  pass.seed = 3;
  pass.iteration = 7;
  engine::LossSpec loss;
  loss.kind = kernels::cuda::VotingLossKind::kSumOfSquares;
  Passed result;
  engine.backend().prepare(7, 0.0);
  engine.step(batch.batch, loss, pass);
  const auto sums = engine.collect();
  result.spikes = sums.spikes;
  result.loss = sums.mean_loss();
  EXPECT_EQ(sums.samples, c.batch);
  EXPECT_TRUE(sums.finite);
  for (std::size_t slot = 0; slot < engine.program().slots.size(); ++slot) {
    result.gradients.push_back(
        as_tensor(engine.gradient(static_cast<int>(slot)), engine.program().slots[slot].shape));
  }
  return result;
}

Passed run(const Case& c) { return run(*engine_of(c), c); }

// The same numbers by LibTorch's operators and autograd, everything kept in full.
Passed by_autograd(const Case& c) {
  reference::Network network = reference::test::make_network(c.settings, c.input, 3, 1, at::kFloat);
  copy_parameters(*engine_of(c), network);
  std::vector<reference::StageActivity> activity;
  reference::ForwardOptions options;
  options.training = true;
  options.seed = 3;
  options.iteration = 7;
  options.activity = &activity;
  Passed result;
  result.votes = network.forward(input_of(c), options);
  const at::Tensor loss = reference::mse_loss(result.votes, labels_of(c), reference::Reduction::kSum);
  loss.backward();
  result.loss = loss.item().toDouble();
  result.gradients = reference::test::gradients_of(network);
  for (const auto& stage : activity) result.spikes.push_back(stage.spike_count.item().toLong());
  return result;
}

void for_each_network(const std::function<void(Case, double)>& check) {
  for (const auto& [name, settings, tolerance] : networks()) {
    for (const bool events : {false, true}) {
      SCOPED_TRACE(std::string(name) + (events ? ", events" : ", still"));
      check({settings, {events ? 2 : 1, 13, 12}, events}, tolerance);
    }
  }
}

TEST(Engine, HasSpikesLossAndGradientsOfTheReference) {
  for_each_network([](Case c, double tolerance) {
    const Passed want = by_autograd(c), got = run(c);
    EXPECT_EQ(got.spikes, want.spikes);
    EXPECT_NEAR(got.loss, want.loss, 1e-6 * want.loss);
    EXPECT_LT(relative_error(got.gradients, want.gradients), tolerance);
  });
}

TEST(Engine, WithExactStateTheGradientsAreThoseOfTheReferenceToRounding) {
  for_each_network([](Case c, double) {
    c.settings.compute.state = StateMode::kExact;
    const Passed want = by_autograd(c), got = run(c);
    EXPECT_EQ(got.spikes, want.spikes);
    EXPECT_LT(relative_error(got.gradients, want.gradients), 2e-6);
  });
}

TEST(Engine, LearnsDecayAndThreshold) {
  for (const auto state : {StateMode::kExact, StateMode::kCompact}) {
    for (const auto surrogate : {kernels::Surrogate::kRectangular, kernels::Surrogate::kArctan}) {
      for (const auto reset : {kernels::Reset::kZero, kernels::Reset::kSubtract}) {
        Case c{reference::test::settings_of("16C3(Encoding)-AP2-24C3-20FC-Voting", 4), {2, 13, 12}, true};
        c.settings.compute.state = state;
        c.settings.learn_decay = c.settings.learn_v_threshold = true;
        c.settings.neuron.reset = reset;
        c.settings.neuron.surrogate = surrogate;
        const Passed want = by_autograd(c), got = run(c);
        ASSERT_EQ(got.gradients.size(), 16u);
        EXPECT_EQ(got.spikes, want.spikes);
        for (std::size_t i = 0; i < got.gradients.size(); ++i) {
          EXPECT_LT(relative_error({got.gradients[i]}, {want.gradients[i]}),
                    state == StateMode::kExact ? 1e-4 : 2e-3)
              << i;
        }
      }
    }
  }
}

TEST(Engine, RefusesWhatTheBackendDoesNotRunStageByStage) {
  Case c{reference::test::settings_of("16C3(Encoding)-Voting", 4), {2, 13, 12}, true};
  c.settings.neuron.smooth = true;
  try {
    engine_of(c);
    FAIL() << "spikes that are no bits";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(
        error.what(),
        "cannot run on cpu: conv1: smooth spikes are for tests of the reference; voting: smooth spikes are "
        "for tests of the reference");
  }
}

// Some samples at a time: the same spikes to the last one, dropout included, and the same gradients but for
// the order of sums.
TEST(Engine, IsTheSameInSlices) {
  for (const auto& [name, settings, tolerance] : networks()) {
    static_cast<void>(tolerance);
    for (const bool events : {false, true}) {
      for (const bool same_mask : {false, true}) {
        if (same_mask && settings.dropout.rate == 0.0) continue;
        SCOPED_TRACE(std::string(name) + (events ? ", events" : ", still"));
        Case c{settings, {events ? 2 : 1, 16, 16}, events, 5};
        c.settings.dropout.same_mask_each_step = same_mask;
        c.settings.compute.working_set_mb = 0.0;
        const Passed whole = run(c);
        for (const double megabytes : {0.001, events ? 0.132 : 0.05}) {  // one sample at a time, and two
          c.settings.compute.working_set_mb = megabytes;
          const auto engine = engine_of(c);
          if (settings.structure != "30FC-20FC-Voting" && settings.bias) {
            EXPECT_GT(engine->backend().slicing(5, !events, true).stages, 0);
          }
          const Passed sliced = run(*engine, c);
          EXPECT_EQ(sliced.spikes, whole.spikes);
          EXPECT_LT(relative_error(sliced.gradients, whole.gradients), 1e-6);
        }
      }
    }
  }
}

TEST(Engine, InferenceHasTheVotesOfTheReference) {
  for_each_network([](Case c, double) {
    reference::Network network = reference::test::make_network(c.settings, c.input, 3, 1, at::kFloat);
    const auto engine = engine_of(c);
    copy_parameters(*engine, network);
    const at::NoGradGuard no_grad;
    const at::Tensor want = network.forward(input_of(c), {});
    EXPECT_TRUE(at::equal(votes_of(*engine, TestBatch(input_of(c), labels_of(c))), want));
  });
}

// With weights that are multiples of 1/4 and spikes averaged over 2 x 2 pixels, every current is exact in
// bfloat16.
TEST(Engine, InBf16EqualsFp32WhereTheCurrentsAreExact) {
  for (const auto& [name, settings, tolerance] : networks()) {
    static_cast<void>(tolerance);
    if (settings.dropout.rate > 0.0 || settings.neunorm.enabled) continue;
    SCOPED_TRACE(name);
    std::vector<Passed> passed;
    for (const auto precision : {Precision::kFp32, Precision::kBf16}) {
      Case c{settings, {2, 13, 12}, true};
      c.settings.compute.precision = precision;
      const auto engine = engine_of(c);
      for (std::size_t slot = 0; slot < engine->program().slots.size(); ++slot) {
        std::vector<float> values = engine->read(static_cast<int>(slot));
        for (float& value : values) value = std::round(4.0f * value) / 4.0f;
        engine->write(static_cast<int>(slot), {values.data(), values.size()});
      }
      passed.push_back(run(*engine, c));
    }
    EXPECT_EQ(passed[1].spikes, passed[0].spikes);
    EXPECT_LT(relative_error(passed[1].gradients, passed[0].gradients), 1e-2);
  }
}

TEST(Engine, SaysWhatEachStageCost) {
  Case c{reference::test::settings_of("16C3(Encoding)-AP2-24C3-20FC-Voting", 4), {2, 13, 12}, true};
  const auto engine = engine_of(c);
  const TestBatch batch(input_of(c), labels_of(c));
  std::vector<engine::StageCost> costs;
  engine::Pass pass;
  pass.costs = &costs;
  pass.densities = true;
  engine->step(batch.batch, {}, pass);
  ASSERT_EQ(costs.size(), 4u);
  EXPECT_EQ(costs[1].name, "conv2");
  EXPECT_EQ(engine::describe_path(costs[1]), "dense fp32");
  EXPECT_GT(costs[1].forward_ms, 0.0);
  EXPECT_GT(costs[1].backward_ms, 0.0);
  EXPECT_GT(costs[1].input_density, 0.0);
  EXPECT_LT(costs[1].input_density, 1.0);
  EXPECT_GT(costs[0].saved_bytes, 0);
}

TEST(Engine, CalibratesWeightsAndThresholds) {
  for (const auto target :
       {engine::Engine::CalibrationTarget::kWeights, engine::Engine::CalibrationTarget::kThresholds}) {
    Case c{reference::test::settings_of("16C3(Encoding)-AP2-24C3-20FC-Voting", 4), {2, 13, 12}, true};
    const auto engine = engine_of(c);
    const TestBatch batch(input_of(c), labels_of(c));
    for (const double rate : engine->calibrate(batch.batch, 0.2, target)) EXPECT_NEAR(rate, 0.2, 0.02);
    engine->infer(batch.batch);
    const auto spikes = engine->collect().spikes;
    EXPECT_NEAR(static_cast<double>(spikes[0]) / (4.0 * 4 * 16 * 13 * 12), 0.2, 0.02);
  }
}

TEST(Engine, RefusesABatchOfAnotherShape) {
  Case c{reference::test::settings_of("16C3(Encoding)-Voting", 4), {2, 13, 12}, true};
  const auto engine = engine_of(c);
  TestBatch batch(input_of(c), labels_of(c));
  batch.batch.samples = 3;
  EXPECT_THROW(engine->infer(batch.batch), ShapeError);
}

}  // namespace
}  // namespace spikeloom::backends::test
