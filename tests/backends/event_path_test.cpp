// Which products the CPU backend computes event-driven, and that it changes nothing but rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "tests/backends/engines.h"

namespace spikeloom::backends::test {
namespace {

using engine::Path;
using model::NetworkSettings;
using reference::test::random_normal;
using reference::test::settings_of;

// Weights that are multiples of 1 / 1024, the largest of each filter 1023 of them, are exact in the 16 bits
// of the event-driven path, and every current is exact in float.
void put_on_the_grid(engine::Engine& engine) {
  for (const model::Slot& slot : engine.program().slots) {
    const int index = engine.program().find_slot(slot.name);
    std::vector<float> values = engine.read(index);
    for (float& value : values) {
      value = std::min(std::max(std::round(value * 1024.0f), -1023.0f), 1023.0f) / 1024.0f;
    }
    const auto filter = static_cast<std::size_t>(slot.shape.size() > 1 ? slot.size / slot.shape.front() : 0);
    for (std::size_t i = 0; filter > 0 && i < values.size(); i += filter) values[i] = 1023.0f / 1024.0f;
    engine.write(index, {values.data(), values.size()});
  }
}

struct PathPassed {
  std::vector<engine::StageCost> costs;
  std::vector<std::int64_t> spikes;
  std::vector<at::Tensor> gradients;
};

PathPassed run(engine::Engine& engine, const at::Tensor& x) {
  PathPassed result;
  engine::Pass pass;
  pass.training = true;
  pass.costs = &result.costs;
  engine::LossSpec loss;
  loss.kind = kernels::cuda::VotingLossKind::kSumOfSquares;
  const TestBatch batch(x, at::tensor({0, 1, 2, 1}, at::kLong));
  engine.step(batch.batch, loss, pass);
  result.spikes = engine.collect().spikes;
  for (std::size_t slot = 0; slot < engine.program().slots.size(); ++slot) {
    result.gradients.push_back(
        as_tensor(engine.gradient(static_cast<int>(slot)), engine.program().slots[slot].shape));
  }
  return result;
}

at::Tensor still_image() { return random_normal({1, 4, 1, 13, 12}, at::kFloat, 5).abs(); }

TEST(EventPath, EqualsTheDenseOneWhereTheWeightsAreExact) {
  for (const auto& [name, settings, tolerance] : reference::test::networks()) {
    static_cast<void>(tolerance);
    SCOPED_TRACE(name);
    std::vector<PathPassed> passed;
    for (const auto path : {model::Path::kDense, model::Path::kEvent}) {
      NetworkSettings chosen = settings;
      chosen.compute.path = path;
      const auto engine = make_engine(chosen, {2, 13, 12});
      put_on_the_grid(*engine);
      passed.push_back(run(
          *engine, random_normal({settings.num_steps, 4, 2, 13, 12}, at::kFloat, 5).gt(0.8).to(at::kFloat)));
    }
    EXPECT_EQ(passed[0].spikes, passed[1].spikes);
    EXPECT_GT(passed[0].spikes.back(), 0);
    EXPECT_LT(relative_error(passed[1].gradients, passed[0].gradients), 1e-5);
    for (const auto& cost : passed[0].costs) EXPECT_EQ(cost.forward, Path::kDenseFp32);
    // Not the first stage, whose input is not packed, nor what comes behind dropout, NeuNorm or pooling of a
    // fully connected one.
    const bool changed = settings.dropout.rate > 0.0 || settings.neunorm.enabled ||
                         settings.structure.find("AP2-AP2") != std::string::npos;
    EXPECT_EQ(passed[1].costs[1].forward, changed ? Path::kDenseFp32 : Path::kEvent);
    EXPECT_EQ(passed[1].costs.back().forward, Path::kEvent);
    EXPECT_EQ(passed[1].costs.front().forward, Path::kDenseFp32);
  }
}

TEST(EventPath, AutoGoesByTheDensity) {
  NetworkSettings settings = settings_of("16C3(Encoding)-128C3-20FC-Voting", 8);
  settings.compute.precision = model::Precision::kBf16;
  for (const auto& [forward, gradient] :
       {std::tuple<double, double>{9.0, 9.0}, {0.0, 0.0}, {9.0, 0.0}, {0.0, 9.0}}) {
    settings.compute.event_forward_below = forward;
    settings.compute.event_gradient_below = gradient;
    const auto costs = run(*make_engine(settings, {1, 13, 12}), still_image()).costs;
    EXPECT_EQ(costs[1].forward, forward > 0.0 ? Path::kEvent : Path::kDenseBf16);
    EXPECT_EQ(costs[1].weight_gradient, gradient > 0.0 ? Path::kEvent : Path::kDenseBf16);
    EXPECT_EQ(costs[2].forward, Path::kDenseBf16) << "too few rows to be worth it";
  }
}

TEST(EventPath, IsDescribedInWords) {
  engine::StageCost cost;
  cost.forward = cost.weight_gradient = Path::kEvent;
  EXPECT_EQ(engine::describe_path(cost), "event");
  cost.weight_gradient = Path::kDenseBf16;
  cost.open_windows_only = true;
  EXPECT_EQ(engine::describe_path(cost), "event, gradient dense bf16, open windows");
  cost.open_windows_only = false;
  cost.weight_gradient = cost.input_gradient = Path::kIntegers;
  EXPECT_EQ(engine::describe_path(cost), "event, gradient integers, input integers");
}

TEST(KeptState, IsASpikeAndTwoBytesForEachNeuronOfASurrogateWithTails) {
  for (const auto surrogate : {kernels::Surrogate::kSigmoid, kernels::Surrogate::kArctan}) {
    NetworkSettings settings = settings_of("4C3(Encoding)-AP2-10FC-Voting", 5);
    settings.neuron.surrogate = surrogate;
    const auto engine = make_engine(settings, {1, 8, 8});
    std::vector<engine::StageCost> costs;
    engine::Pass pass;
    pass.costs = &costs;
    const TestBatch batch(random_normal({1, 2, 1, 8, 8}, at::kFloat, 5).abs(), at::tensor({0, 1}, at::kLong));
    engine->step(batch.batch, {}, pass);
    EXPECT_EQ(costs.at(0).saved_bytes, 5 * (2 * 256 / 8 + 2 * 2 * 256));
    EXPECT_EQ(costs.at(1).saved_bytes, 5 * (8 + 2 * 2 * 10));  // bits in words of 64
  }
}

TEST(EventPath, SkippingClosedWindowsChangesNoGradient) {
  for (const bool bits : {false, true}) {
    NetworkSettings settings = settings_of("16C3(Encoding)-128C3-128C3-20FC-Voting", 8);
    settings.compute.precision = model::Precision::kBf16;
    settings.neuron.surrogate = kernels::Surrogate::kRectangular;
    settings.neuron.reset =
        bits ? kernels::Reset::kSubtract : kernels::Reset::kZero;  // a bit or a code is kept
    std::vector<PathPassed> passed;
    for (const double below : {0.0, 2.0}) {
      const auto engine = make_engine(settings, {1, 13, 12});
      dynamic_cast<CpuBackend&>(engine->backend())
          .set_crossovers({{"conv2", {0.0, 0.0, below}}, {"conv3", {0.0, 0.0, below}}});
      passed.push_back(run(*engine, still_image()));
      if (kernels::cpu::has_fast_bfloat16() && std::string(kernels::cpu::simd_level()) == "avx512") {
        for (const std::size_t stage : {1u, 2u}) {
          EXPECT_EQ(passed.back().costs.at(stage).open_windows_only, below > 0.0);
          EXPECT_GT(passed.back().costs.at(stage).open_windows, 0.0);
        }
      }
    }
    // The gradient between layers has 8 bits, and sums are taken in another order.
    EXPECT_LT(relative_error(passed[1].gradients, passed[0].gradients), 5e-3);
  }
}

TEST(EventPath, IntegersHaveTheSpikesOfListsAndNearlyTheirGradients) {
  // Average pooling makes counts, and the fully connected layer sees whole images.
  NetworkSettings settings = settings_of("16C3(Encoding)-AP2-64C3-AP2-72C3-AP2-20FC-Voting", 64);
  settings.compute.precision = model::Precision::kBf16;
  const engine::EventLimits lists{9.0, 9.0, 0.0}, integers{0.0, 0.0, 0.0, true, true, true},
      currents{0.0, 0.0, 0.0, true, false, false};
  std::vector<PathPassed> passed;
  for (const bool all : {false, true}) {
    const auto engine = make_engine(settings, {1, 16, 16});
    dynamic_cast<CpuBackend&>(engine->backend())
        .set_crossovers({{"conv2", all ? integers : lists},
                         {"conv3", all ? integers : lists},
                         {"fc1", all ? integers : currents}});
    passed.push_back(run(*engine, random_normal({1, 4, 1, 16, 16}, at::kFloat, 5).abs()));
  }
  const auto& costs = passed[1].costs;
  if (costs[1].forward != Path::kIntegers) GTEST_SKIP() << "this processor has no products of integers";
  EXPECT_EQ(passed[0].costs[1].forward, Path::kEvent);
  EXPECT_EQ(passed[0].costs[2].weight_gradient, Path::kEvent);
  for (const std::size_t stage : {1u, 2u, 3u}) {
    EXPECT_EQ(costs[stage].forward, Path::kIntegers) << stage;
    EXPECT_EQ(costs[stage].weight_gradient, Path::kIntegers) << stage;
    EXPECT_EQ(costs[stage].input_gradient, Path::kIntegers) << stage;
  }
  EXPECT_EQ(passed[0].spikes, passed[1].spikes);
  EXPECT_GT(passed[0].spikes.back(), 0);
  // The gradient between layers has 8 bits.
  EXPECT_LT(relative_error(passed[1].gradients, passed[0].gradients), 1e-2);
}

TEST(Crossovers, AreMeasuredWhereEventDrivenProductsMayPay) {
  NetworkSettings settings = settings_of("16C3(Encoding)-128C3-AP2-128C3-20FC-Voting", 8);
  settings.compute.precision = model::Precision::kBf16;
  const auto engine = make_engine(settings, {1, 26, 24});
  const auto measured = dynamic_cast<CpuBackend&>(engine->backend()).measure_crossovers(4);
  ASSERT_EQ(measured.size(), 2u);  // not the first stage, nor those of few filters
  EXPECT_EQ(measured[0].stage, "conv2");
  EXPECT_EQ(measured[1].stage, "conv3");
  for (const auto& [stage, limits] : measured) {
    const double most = stage == "conv3" ? 4.0 : 1.0;  // behind pooling by two
    for (const double below : {limits.forward_below, limits.gradient_below}) {
      EXPECT_GE(below, 0.0);
      EXPECT_LE(below, most);
    }
  }
  settings.compute.path = model::Path::kDense;
  const auto dense = make_engine(settings, {1, 26, 24});
  EXPECT_TRUE(dynamic_cast<CpuBackend&>(dense->backend()).measure_crossovers(4).empty());
}

TEST(Crossovers, ThatAreGivenHold) {
  NetworkSettings settings = settings_of("16C3(Encoding)-128C3-128C3-20FC-Voting", 8);
  settings.compute.precision = model::Precision::kBf16;
  const auto engine = make_engine(settings, {1, 13, 12});
  auto& backend = dynamic_cast<CpuBackend&>(engine->backend());
  backend.set_crossovers({{"conv2", {9.0, 0.0, 0.0}}, {"conv3", {0.0, 9.0, 0.0}}});
  const auto costs = run(*engine, still_image()).costs;
  EXPECT_EQ(engine::describe_path(costs[1]).rfind("event, gradient dense", 0), 0u);
  EXPECT_EQ(costs[2].weight_gradient, Path::kEvent);
  EXPECT_EQ(costs[1].limits.forward_below, 9.0);
  EXPECT_THROW(backend.set_crossovers({{"conv7", {1.0, 1.0, 1.0}}}), ConfigError);
}

}  // namespace
}  // namespace spikeloom::backends::test
