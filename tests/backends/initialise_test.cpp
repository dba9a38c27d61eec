// Start values: their distribution, that no layer is dead, calibration, and who votes for what.
#include "spikeloom/engine/initialise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "tests/backends/engines.h"

namespace spikeloom::backends::test {
namespace {

using engine::initial_standard_deviation;
using reference::test::close_to;
using reference::test::largest;
using reference::test::random_normal;
using reference::test::same;
using reference::test::settings_of;
using Target = engine::Engine::CalibrationTarget;

at::Tensor value_of(const engine::Engine& engine, const std::string& name) {
  const int slot = engine.program().find_slot(name);
  return as_tensor(engine.read(slot), engine.program().slot(slot).shape);
}

at::Tensor gradient_of(const engine::Engine& engine, const std::string& name) {
  const int slot = engine.program().find_slot(name);
  return as_tensor(engine.gradient(slot), engine.program().slot(slot).shape);
}

void assign(engine::Engine& engine, const std::string& name, const at::Tensor& values) {
  const auto numbers = ops::test::values_of<float>(values);
  engine.write(engine.program().find_slot(name), {numbers.data(), numbers.size()});
}

std::vector<double> firing_rates(engine::Engine& engine, const at::Tensor& input) {
  engine.collect();
  votes_of(engine, TestBatch(input, at::zeros({input.size(1)}, at::kLong)));
  const auto spikes = engine.collect().spikes;
  std::vector<double> rates;
  for (const model::Stage& stage : engine.program().stages) {
    const auto steps = engine.program().num_steps * input.size(1) * stage.product.output.size();
    rates.push_back(static_cast<double>(spikes[rates.size()]) / static_cast<double>(steps));
  }
  return rates;
}

TEST(InitialWeights, HaveTheDistributionAndAnyNumberOfThreads) {
  // Not a multiple of the chunks that streams are cut into; a deviation of 0.1.
  const std::int64_t values = 2003, filters = 100, size = values * filters;
  const auto filled = [&](int threads, std::uint64_t seed, const std::string& layer) {
    auto settings = settings_of("100FC-2003FC-100FC-Voting");
    settings.init.gain = 0.1 / std::sqrt(2.0 / values);
    const int before = num_threads();
    set_num_threads(threads);
    const auto engine = make_engine(settings, {1, 1, values}, 3, seed);
    set_num_threads(before);
    return value_of(*engine, layer + ".weight").flatten();
  };
  const at::Tensor x = filled(1, 3, "fc1");
  ASSERT_EQ(x.numel(), size);
  EXPECT_TRUE(same(filled(2, 3, "fc1"), x));
  EXPECT_TRUE(same(filled(5, 3, "fc1"), x));
  EXPECT_FALSE(at::equal(filled(1, 3, "fc3"), x));
  EXPECT_FALSE(at::equal(filled(1, 4, "fc1"), x));

  // Five standard errors of the moments of normal numbers.
  const at::Tensor z = x.to(at::kDouble) / 0.1;
  const double n = static_cast<double>(size);
  EXPECT_NEAR(z.mean().item().toDouble(), 0.0, 5 / std::sqrt(n));
  EXPECT_NEAR(z.square().mean().item().toDouble(), 1.0, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(z.pow(3).mean().item().toDouble(), 0.0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(z.pow(4).mean().item().toDouble(), 3.0, 5 * std::sqrt(96 / n));
  // Neighbours, and the same place of neighbouring chunks, know nothing of each other.
  for (const std::int64_t lag : {std::int64_t{1}, std::int64_t{1} << 14}) {
    EXPECT_NEAR((z.slice(0, lag) * z.slice(0, 0, size - lag)).mean().item().toDouble(), 0.0,
                5 / std::sqrt(n - lag));
  }
}

TEST(InitialStandardDeviation, ScalesWithThresholdAndFanIn) {
  EXPECT_DOUBLE_EQ(initial_standard_deviation(1.0, 0.75, 8), 0.5);
  EXPECT_DOUBLE_EQ(initial_standard_deviation(2.0, 0.75, 8), 1.0);
  EXPECT_DOUBLE_EQ(initial_standard_deviation(2.0, 0.05, 8), 1.0 / 15);
  const auto engine = make_engine(settings_of("32C3(Encoding)-64C3-100FC-Voting"), {8, 8, 8});
  for (const auto& [name, fan_in] : {std::pair<std::string, double>{"conv1.weight", 72},
                                     {"conv2.weight", 288},
                                     {"fc1.weight", 4096},
                                     {"voting.weight", 100}}) {
    const at::Tensor w = value_of(*engine, name);
    const double want = 2 * std::sqrt(2 / fan_in);
    const double got = w.to(at::kDouble).square().mean().sqrt().item().toDouble();
    EXPECT_NEAR(got, want, 5 * want / std::sqrt(2.0 * static_cast<double>(w.numel()))) << name;
  }
  // No layer starts with the numbers of another, whatever their scale: 500 pairs, five standard errors.
  const auto numbers = [&](const std::string& name) {
    const at::Tensor w = value_of(*engine, name).flatten().slice(0, 0, 500);
    return w / w.norm();
  };
  EXPECT_NEAR((numbers("fc1.weight") * numbers("voting.weight")).sum().item().toDouble(), 0.0,
              5 / std::sqrt(500.0));
}

struct PaperNetwork {
  const char* name;
  const char* structure;  ///< of the paper, an eighth as wide
  bool events;
};
const PaperNetwork kPaperNetworks[] = {
    {"neuromorphic S", "16C3(Encoding)-AP2-16C3-AP2-64FC-Voting", true},
    {"neuromorphic M", "16C3(Encoding)-16C3-AP2-32C3-AP2-128FC-Voting", true},
    {"neuromorphic L", "16C3(Encoding)-16C3-AP2-48C3-48C3-AP2-128FC-64FC-Voting", true},
    {"neuromorphic v1", "16C3(Encoding)-16C3-AP2-16C3-32C3-AP2-128FC-Voting", true},
    {"CIFAR10 S", "16C3(Encoding)-AP2-32C3-AP2-32FC-Voting", false},
    {"CIFAR10 M", "16C3(Encoding)-AP2-32C3-64C3-AP2-64FC-Voting", false},
    {"AlexNet", "12C3(Encoding)-32C3-AP2-48C3-AP2-48C3-32C3-128FC-128FC-Voting", false},
    {"CIFARNet", "16C3(Encoding)-32C3-AP2-64C3-AP2-128C3-64C3-128FC-64FC-Voting", false},
};

model::NetworkSettings paper_settings(const PaperNetwork& network) {
  model::NetworkSettings settings = settings_of(network.structure, network.events ? 6 : 4);
  settings.voting.neurons_per_class = 10;
  if (network.events) {
    settings.neuron.v_threshold = 0.05;
    settings.neuron.surrogate_width = 0.1;
    settings.neuron.decay = 0.3;
  }
  return settings;
}

std::vector<double> calibrate(engine::Engine& engine, const at::Tensor& input, double rate, Target target) {
  return engine.calibrate(TestBatch(input, at::zeros({input.size(1)}, at::kLong)).batch, rate, target);
}

/// Every layer fires, none always, and every weight gets a gradient.
void expect_alive(engine::Engine& engine, const at::Tensor& input, const std::string& name) {
  const auto rates = firing_rates(engine, input);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_GT(rates[i], 0.02) << name << " layer " << i;
    EXPECT_LT(rates[i], 0.9) << name << " layer " << i;
  }
  engine::Pass pass;
  pass.training = true;
  engine.step(TestBatch(input, at::arange(input.size(1), at::kLong)).batch, {}, pass);
  for (const model::Slot& slot : engine.program().slots) {
    EXPECT_GT(largest(gradient_of(engine, slot.name)), 0.0) << name << " " << slot.name;
  }
}

TEST(Initialise, NoLayerOfThePapersNetworksIsDead) {
  const at::Tensor images = random_normal({1, 4, 3, 32, 32}, at::kFloat, 1);
  for (const PaperNetwork& item : kPaperNetworks) {
    if (item.events) continue;
    for (const std::uint64_t seed : {1, 2}) {
      const auto engine = make_engine(paper_settings(item), {3, 32, 32}, 10, seed);
      expect_alive(*engine, images, item.name);
    }
  }
}

// Few inputs are on in recordings of events, so layers are scaled until they fire.
TEST(Initialise, CalibrationWakesNetworksOnEvents) {
  const at::Tensor events = random_normal({6, 4, 2, 34, 34}, at::kDouble, 1).gt(1.8).to(at::kFloat);
  for (const PaperNetwork& item : kPaperNetworks) {
    if (!item.events) continue;
    const auto engine = make_engine(paper_settings(item), {2, 34, 34}, 10);
    calibrate(*engine, events, 0.2, Target::kWeights);
    expect_alive(*engine, events, item.name);
  }
}

// A residual block of currents reads those of a stage before it more than once.
TEST(Calibrate, ReachesItsRateWithResidualBlocksOfCurrents) {
  const at::Tensor input = random_normal({1, 8, 3, 16, 16}, at::kFloat, 1);
  for (const Target target : {Target::kWeights, Target::kThresholds}) {
    model::NetworkSettings settings = settings_of("8C3(Encoding)-[8C3-8C3]-[8C3-8C3]-AP2-20FC-Voting", 4);
    settings.voting.neurons_per_class = 10;
    const auto engine = make_engine(settings, {3, 16, 16}, 10);
    const auto reached = calibrate(*engine, input, 0.2, target);
    const auto measured = firing_rates(*engine, input);
    ASSERT_EQ(reached.size(), measured.size());
    for (std::size_t i = 0; i < reached.size(); ++i) {
      EXPECT_NEAR(reached[i], 0.2, 0.002) << i;
      if (target == Target::kThresholds) {
        EXPECT_NEAR(measured[i], reached[i], 2e-4) << i;
      } else {  // of a sum only the stage's own part is scaled
        EXPECT_GT(measured[i], 0.1) << i;
        EXPECT_LT(measured[i], 0.4) << i;
      }
    }
  }
}

TEST(Calibrate, ReachesItsRate) {
  const at::Tensor input = random_normal({1, 8, 3, 16, 16}, at::kFloat, 1);
  for (const Target target : {Target::kWeights, Target::kThresholds}) {
    for (const double rate : {0.05, 0.2, 0.35}) {
      model::NetworkSettings settings = settings_of("16C3(Encoding)-AP2-32C3-AP2-100FC-Voting", 4);
      settings.neunorm.enabled = true;
      settings.voting.neurons_per_class = 10;
      const auto engine = make_engine(settings, {3, 16, 16}, 10);
      const auto reached = calibrate(*engine, input, rate, target);
      const auto measured = firing_rates(*engine, input);
      ASSERT_EQ(reached.size(), 4u);
      for (std::size_t i = 0; i < reached.size(); ++i) {
        EXPECT_NEAR(measured[i], rate, 0.02 * rate) << i;
        EXPECT_NEAR(measured[i], reached[i], 1e-3 * rate) << i;
      }
    }
  }
}

// No scale makes neurons fire whose input is not positive: what is returned says so.
TEST(Calibrate, SaysWhatItReached) {
  const auto engine = make_engine(settings_of("8C3(Encoding)-Voting", 3), {2, 8, 8});
  const at::Tensor input = random_normal({1, 4, 2, 8, 8}, at::kFloat, 1);
  const auto reached = calibrate(*engine, input, 0.95, Target::kWeights);
  const auto measured = firing_rates(*engine, input);
  for (std::size_t i = 0; i < reached.size(); ++i) {
    EXPECT_LT(reached[i], 0.9) << i;
    EXPECT_NEAR(measured[i], reached[i], 1e-3) << i;
  }
}

// A neuron whose weights, threshold and surrogate width are scaled alike fires and learns alike: thresholds
// divided by a number are weights multiplied by it, to rounding.
TEST(Calibrate, ThresholdsAndWeightsAreTwoWaysToTheSame) {
  model::NetworkSettings settings = settings_of("8C3(Encoding)-AP2-16C3-Voting", 3);
  settings.compute.state = model::StateMode::kExact;
  const at::Tensor input = random_normal({1, 4, 2, 8, 8}, at::kFloat, 1);
  const auto by_weights = make_engine(settings, {2, 8, 8}), by_thresholds = make_engine(settings, {2, 8, 8});
  for (engine::Engine* engine : {by_weights.get(), by_thresholds.get()}) {
    for (const std::string name : {"conv1.bias", "conv2.bias", "voting.bias"}) {
      assign(*engine, name, random_normal(value_of(*engine, name).sizes(), at::kFloat, 2, 0.2));
    }
  }
  // A rate that the 6 voting neurons can have: else bisection ends where a spike comes and goes with
  // rounding.
  const double rate = 11.0 / (6 * 4 * 3);
  calibrate(*by_weights, input, rate, Target::kWeights);
  calibrate(*by_thresholds, input, rate, Target::kThresholds);
  EXPECT_GT(largest(value_of(*by_weights, "conv1.weight") - value_of(*by_thresholds, "conv1.weight")), 0.1);
  const TestBatch batch(input, at::tensor({0, 1, 2, 0}, at::kLong));
  engine::Pass pass;
  pass.training = true;
  for (engine::Engine* engine : {by_weights.get(), by_thresholds.get()}) engine->step(batch.batch, {}, pass);
  EXPECT_TRUE(same(votes_of(*by_weights, batch), votes_of(*by_thresholds, batch)));
  for (const std::string name :
       {"conv1.weight", "conv2.weight", "voting.weight", "conv1.bias", "conv2.bias"}) {
    // Gradients scale inversely: weight * gradient does not change. 1e-5: some hundred roundings of a float.
    const auto product = [&](const engine::Engine& engine) {
      return value_of(engine, name) * gradient_of(engine, name);
    };
    const at::Tensor want = product(*by_thresholds);
    EXPECT_TRUE(ops::test::within(product(*by_weights), want, 1e-5 * largest(want))) << name;
    EXPECT_GT(largest(want), 0.0);
  }
}

TEST(InitialStandardDeviation, GainActsOnArtificialNetworksWithoutAThreshold) {
  model::NetworkSettings settings = settings_of("32C3(Encoding)-64C3-Voting");
  settings.kind = model::NetworkKind::kAnn;
  settings.neuron.v_threshold = 0.05;  // of neurons that there are none of
  for (const double gain : {1.0, 0.5, 2.0}) {
    settings.init.gain = gain;
    const auto engine = make_engine(settings, {8, 8, 8});
    const at::Tensor weight = value_of(*engine, "conv2.weight");
    const double expected = gain * std::sqrt(2.0 / 288);
    EXPECT_NEAR(weight.std().item().toDouble(), expected, 0.02 * expected) << gain;
  }
}

TEST(Calibrate, RefusesWhatHasNoRate) {
  model::NetworkSettings settings = settings_of("4C3(Encoding)-Voting");
  const at::Tensor input = random_normal({1, 2, 1, 4, 4}, at::kFloat, 1);
  const auto engine = make_engine(settings, {1, 4, 4});
  for (const double rate : {0.0, 1.0, -0.1, std::nan("")}) {
    EXPECT_THROW(calibrate(*engine, input, rate, Target::kWeights), ConfigError) << rate;
  }
  settings.kind = model::NetworkKind::kAnn;
  const auto ann = make_engine(settings, {1, 4, 4});
  EXPECT_THROW(calibrate(*ann, input, 0.2, Target::kWeights), ConfigError);
}

TEST(ClassOf, BlocksOrRandom) {
  model::NetworkSettings settings = settings_of("4C3(Encoding)-Voting");
  settings.voting.neurons_per_class = 3;
  const auto class_of = [&](std::uint64_t seed) {
    return make_engine(settings, {1, 4, 4}, 4, seed)->program().class_of;
  };
  const std::vector<std::int32_t> blocks = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3};
  EXPECT_EQ(class_of(1), blocks);
  EXPECT_EQ(class_of(2), blocks);
  settings.voting.assignment = model::VotingAssignment::kRandom;
  std::set<std::vector<std::int32_t>> seen;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    auto got = class_of(seed);
    EXPECT_EQ(got, class_of(seed));
    EXPECT_NE(got, blocks);
    seen.insert(got);
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, blocks);
  }
  EXPECT_EQ(seen.size(), 5u);
}

}  // namespace
}  // namespace spikeloom::backends::test
