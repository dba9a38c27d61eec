// Start values: their distribution, that no layer is dead, calibration, and who votes for what.
#include "spikeloom/nn/initialise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/nn/loss.h"
#include "tests/nn/networks.h"

namespace spikeloom::nn::test {
namespace {

template <class T>
class FillNormal : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(FillNormal, Types);

TYPED_TEST(FillNormal, HasTheDistributionAndAnyNumberOfThreads) {
  const std::int64_t size = 200003;  // not a multiple of the chunks
  const auto filled = [&](int threads, std::uint64_t seed, std::uint64_t number) {
    const int before = num_threads();
    set_num_threads(threads);
    at::Tensor x = at::empty({size}, ops::test::dtype_of<TypeParam>());
    fill_normal(x, 0.1, seed, number);
    set_num_threads(before);
    return x;
  };
  const at::Tensor x = filled(1, 3, 4);
  EXPECT_TRUE(same(filled(2, 3, 4), x));
  EXPECT_TRUE(same(filled(5, 3, 4), x));
  EXPECT_FALSE(at::equal(filled(1, 3, 5), x));
  EXPECT_FALSE(at::equal(filled(1, 4, 4), x));

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
  Network network = make_network(settings_of("32C3(Encoding)-64C3-100FC-Voting"), {8, 8, 8});
  for (const auto& [name, fan_in] : {std::pair<std::string, double>{"conv1.weight", 72},
                                     {"conv2.weight", 288},
                                     {"fc1.weight", 4096},
                                     {"voting.weight", 100}}) {
    const at::Tensor w = value_of(network, name).detach();
    const double want = 2 * std::sqrt(2 / fan_in);
    const double got = w.square().mean().sqrt().item().toDouble();
    EXPECT_NEAR(got, want, 5 * want / std::sqrt(2.0 * static_cast<double>(w.numel()))) << name;
  }
  // No layer starts with the numbers of another, whatever their scale: 500 pairs, five standard errors.
  const auto numbers = [&](const std::string& name) {
    const at::Tensor w = value_of(network, name).detach().flatten().slice(0, 0, 500);
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

/// Every layer fires, none always, and every weight gets a gradient.
void expect_alive(Network& network, const at::Tensor& input, const std::string& name) {
  const auto rates = firing_rates(network, input);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    EXPECT_GT(rates[i], 0.02) << name << " layer " << i;
    EXPECT_LT(rates[i], 0.9) << name << " layer " << i;
  }
  clear_gradients(network);
  mse_loss(network.forward(input), at::arange(input.size(1), at::kLong), Reduction::kMean).backward();
  for (const auto& parameter : network.parameters()) {
    EXPECT_GT(largest(parameter.value.grad()), 0.0) << name << " " << parameter.name;
  }
}

TEST(Initialise, NoLayerOfThePapersNetworksIsDead) {
  const at::Tensor images = random_normal({1, 4, 3, 32, 32}, at::kFloat, 1);
  for (const PaperNetwork& item : kPaperNetworks) {
    if (item.events) continue;
    for (const std::uint64_t seed : {1, 2}) {
      Network network = make_network(paper_settings(item), {3, 32, 32}, 10, seed, at::kFloat);
      expect_alive(network, images, item.name);
    }
  }
}

// Few inputs are on in recordings of events, so layers are scaled until they fire.
TEST(Initialise, CalibrationWakesNetworksOnEvents) {
  const at::Tensor events = random_normal({6, 4, 2, 34, 34}, at::kDouble, 1).gt(1.8).to(at::kFloat);
  for (const PaperNetwork& item : kPaperNetworks) {
    if (!item.events) continue;
    Network network = make_network(paper_settings(item), {2, 34, 34}, 10, 1, at::kFloat);
    network.calibrate(events, 0.2, Network::CalibrationTarget::kWeights);
    expect_alive(network, events, item.name);
  }
}

TEST(Calibrate, ReachesItsRate) {
  using Target = Network::CalibrationTarget;
  const at::Tensor input = random_normal({1, 8, 3, 16, 16}, at::kFloat, 1);
  for (const Target target : {Target::kWeights, Target::kThresholds}) {
    for (const double rate : {0.05, 0.2, 0.35}) {
      model::NetworkSettings settings = settings_of("16C3(Encoding)-AP2-32C3-AP2-100FC-Voting", 4);
      settings.neunorm.enabled = true;
      settings.voting.neurons_per_class = 10;
      Network network = make_network(settings, {3, 16, 16}, 10, 1, at::kFloat);
      const auto reached = network.calibrate(input, rate, target);
      const auto measured = firing_rates(network, input);
      ASSERT_EQ(reached.size(), 4u);
      for (std::size_t i = 0; i < reached.size(); ++i) {
        EXPECT_NEAR(measured[i], rate, 0.02 * rate) << i;
        EXPECT_NEAR(measured[i], reached[i], 1e-3 * rate) << i;
      }
      for (const auto& parameter : network.parameters()) EXPECT_TRUE(parameter.value.requires_grad());
    }
  }
}

// No scale makes neurons fire whose input is not positive: what is returned says so.
TEST(Calibrate, SaysWhatItReached) {
  Network network = make_network(settings_of("8C3(Encoding)-Voting", 3), {2, 8, 8});
  const at::Tensor input = random_normal({1, 4, 2, 8, 8}, at::kDouble, 1);
  const auto reached = network.calibrate(input, 0.95, Network::CalibrationTarget::kWeights);
  const auto measured = firing_rates(network, input);
  for (std::size_t i = 0; i < reached.size(); ++i) {
    EXPECT_LT(reached[i], 0.9) << i;
    EXPECT_NEAR(measured[i], reached[i], 1e-3) << i;
  }
}

// A neuron whose weights, threshold and surrogate width are scaled alike fires and learns alike: thresholds
// divided by a power of two are weights multiplied by it, to the bit.
TEST(Calibrate, ThresholdsAndWeightsAreTwoWaysToTheSame) {
  const model::NetworkSettings settings = settings_of("8C3(Encoding)-AP2-16C3-Voting", 3);
  const at::Tensor input = random_normal({1, 4, 2, 8, 8}, at::kDouble, 1);
  Network by_weights = make_network(settings, {2, 8, 8});
  Network by_thresholds = make_network(settings, {2, 8, 8});
  for (Network* network : {&by_weights, &by_thresholds}) {
    for (const std::string name : {"conv1.bias", "conv2.bias", "voting.bias"}) {
      assign(*network, name, random_normal(value_of(*network, name).sizes(), at::kDouble, 2, 0.2));
    }
  }
  by_weights.calibrate(input, 0.15, Network::CalibrationTarget::kWeights);
  by_thresholds.calibrate(input, 0.15, Network::CalibrationTarget::kThresholds);
  const at::Tensor labels = at::tensor({0, 1, 2, 0}, at::kLong);
  for (Network* network : {&by_weights, &by_thresholds}) {
    mse_loss(network->forward(input), labels, Reduction::kMean).backward();
  }
  EXPECT_TRUE(same(by_weights.forward(input), by_thresholds.forward(input)));
  for (const std::string name :
       {"conv1.weight", "conv2.weight", "voting.weight", "conv1.bias", "conv2.bias"}) {
    // Gradients scale inversely: weight * gradient does not change.
    const auto product = [&](const Network& network) {
      const at::Tensor w = value_of(network, name);
      return (w * w.grad()).detach();
    };
    EXPECT_TRUE(
        ops::test::within(product(by_weights), product(by_thresholds), 1e-12 * largest(product(by_weights))))
        << name;
    EXPECT_GT(largest(product(by_weights)), 0.0);
  }
}

TEST(InitialStandardDeviation, GainActsOnArtificialNetworksWithoutAThreshold) {
  model::NetworkSettings settings = settings_of("32C3(Encoding)-64C3-Voting");
  settings.kind = model::NetworkKind::kAnn;
  settings.neuron.v_threshold = 0.05;  // of neurons that there are none of
  for (const double gain : {1.0, 0.5, 2.0}) {
    settings.init.gain = gain;
    const Network network = make_network(settings, {8, 8, 8});
    const at::Tensor weight = value_of(network, "conv2.weight");
    const double expected = gain * std::sqrt(2.0 / 288);
    EXPECT_NEAR(weight.std().item().toDouble(), expected, 0.02 * expected) << gain;
  }
}

TEST(Calibrate, RefusesWhatHasNoRate) {
  model::NetworkSettings settings = settings_of("4C3(Encoding)-Voting");
  const at::Tensor input = random_normal({1, 2, 1, 4, 4}, at::kDouble, 1);
  Network network = make_network(settings, {1, 4, 4});
  for (const double rate : {0.0, 1.0, -0.1, std::nan("")}) {
    EXPECT_THROW(network.calibrate(input, rate, Network::CalibrationTarget::kWeights), ConfigError) << rate;
  }
  settings.kind = model::NetworkKind::kAnn;
  Network ann = make_network(settings, {1, 4, 4});
  EXPECT_THROW(ann.calibrate(input, 0.2, Network::CalibrationTarget::kWeights), ConfigError);
}

TEST(ClassOf, BlocksOrRandom) {
  model::NetworkSettings settings = settings_of("4C3(Encoding)-Voting");
  settings.voting.neurons_per_class = 3;
  const auto class_of = [&](std::uint64_t seed) {
    return ops::test::values_of<std::int32_t>(make_network(settings, {1, 4, 4}, 4, seed).class_of());
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
}  // namespace spikeloom::nn::test
