// Compact state against exact state: the same network, the same numbers but for what the docs say is lost.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/nn/loss.h"
#include "tests/nn/named_networks.h"
#include "tests/nn/networks.h"

namespace spikeloom::nn::test {
namespace {

struct Passed {
  at::Tensor votes;
  std::vector<at::Tensor> gradients;
  std::vector<double> rates;
};

Passed pass(model::NetworkSettings settings, model::StateMode state, model::Precision precision,
            model::Shape input, bool events, std::int64_t batch = 4) {
  settings.compute.state = state;
  settings.compute.precision = precision;
  Network network = make_network(settings, input, 3, 1, at::kFloat);
  for (const auto& parameter : network.parameters()) {
    if (parameter.role == ParameterRole::kNeuNorm) {
      assign(network, parameter.name, random_normal(parameter.value.sizes(), at::kFloat, 9) * 0.3);
    }
  }
  const std::int64_t steps = events ? settings.num_steps : 1;
  at::Tensor x =
      random_normal({steps, batch, input.channels, input.height, input.width}, at::kFloat, 5).to(at::kFloat);
  x = events ? x.gt(0.8).to(at::kFloat) : x.abs();
  std::vector<LayerActivity> activity;
  ForwardOptions options;
  options.training = true;
  options.seed = 3;
  options.iteration = 7;
  options.activity = &activity;
  Passed result;
  result.votes = network.forward(x, options);
  const at::Tensor labels = at::tensor({0, 1, 2, 1, 2}, at::kLong).narrow(0, 0, batch);
  mse_loss(result.votes, labels, Reduction::kSum).backward();
  result.gradients = gradients_of(network);
  for (const auto& layer : activity) {
    result.rates.push_back(layer.spike_count.item().toDouble() / static_cast<double>(layer.neuron_steps));
  }
  return result;
}

double relative_error(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& want) {
  double error = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].sizes(), want[i].sizes());
    error += (got[i] - want[i]).to(at::kDouble).square().sum().item().toDouble();
    norm += want[i].to(at::kDouble).square().sum().item().toDouble();
  }
  EXPECT_GT(norm, 0.0);
  return std::sqrt(error / norm);
}

TEST(CompactNetwork, HasVotesAndGradientsOfTheExactOne) {
  for (const auto& [name, settings, tolerance] : networks()) {
    for (const bool events : {false, true}) {
      SCOPED_TRACE(std::string(name) + (events ? ", events" : ", still"));
      const model::Shape input{events ? 2 : 1, 13, 12};
      const auto exact = pass(settings, model::StateMode::kExact, model::Precision::kFp32, input, events);
      const auto compact = pass(settings, model::StateMode::kCompact, model::Precision::kFp32, input, events);
      EXPECT_TRUE(at::equal(compact.votes, exact.votes));
      EXPECT_EQ(compact.rates, exact.rates);
      EXPECT_LT(relative_error(compact.gradients, exact.gradients), tolerance);
    }
  }
}

// Some samples at a time: the same votes and rates to the last bit, dropout included, and the same gradients
// but for the order of sums.
TEST(CompactNetwork, IsTheSameInParts) {
  for (const auto& [name, settings, tolerance] : networks()) {
    static_cast<void>(tolerance);
    for (const bool events : {false, true}) {
      for (const bool same_mask : {false, true}) {
        if (same_mask && settings.dropout.rate == 0.0) continue;
        SCOPED_TRACE(std::string(name) + (events ? ", events" : ", still"));
        const model::Shape input{events ? 2 : 1, 16, 16};
        auto chosen = settings;
        chosen.dropout.same_mask_each_step = same_mask;
        chosen.compute.working_set_mb = 0.0;
        const auto whole =
            pass(chosen, model::StateMode::kCompact, model::Precision::kFp32, input, events, 5);
        for (const double megabytes : {0.001, events ? 0.132 : 0.05}) {  // one sample at a time, and two
          chosen.compute.working_set_mb = megabytes;
          const auto parts =
              pass(chosen, model::StateMode::kCompact, model::Precision::kFp32, input, events, 5);
          EXPECT_TRUE(at::equal(parts.votes, whole.votes));
          EXPECT_EQ(parts.rates, whole.rates);
          EXPECT_LT(relative_error(parts.gradients, whole.gradients), 1e-6);
        }
      }
    }
  }
}

// With weights that are multiples of 1/4 and spikes averaged over 2 x 2 pixels, every current is exact in
// bfloat16.
TEST(CompactNetwork, InBf16EqualsFp32WhereTheCurrentsAreExact) {
  for (const auto& [name, settings, tolerance] : networks()) {
    static_cast<void>(tolerance);
    if (settings.dropout.rate > 0.0 || settings.neunorm.enabled) continue;
    SCOPED_TRACE(name);
    const model::Shape input{2, 13, 12};
    const at::Tensor x =
        random_normal({settings.num_steps, 4, 2, 13, 12}, at::kFloat, 5).gt(0.8).to(at::kFloat);
    std::vector<at::Tensor> votes;
    std::vector<std::vector<at::Tensor>> gradients;
    for (const auto precision : {model::Precision::kFp32, model::Precision::kBf16}) {
      auto chosen = settings;
      chosen.compute.precision = precision;
      chosen.neuron.decay = 0.25;
      Network network = make_network(chosen, input, 3, 1, at::kFloat);
      for (const auto& parameter : network.parameters()) {
        assign(network, parameter.name, (parameter.value * 4).round() / 4);
      }
      votes.push_back(network.forward(x));
      mse_loss(votes.back(), at::tensor({0, 1, 2, 1}, at::kLong), Reduction::kSum).backward();
      gradients.push_back(gradients_of(network));
    }
    EXPECT_TRUE(at::equal(votes[0], votes[1]));
    EXPECT_GT(votes[0].max().item().toDouble(), 0.0);
    EXPECT_LT(relative_error(gradients[1], gradients[0]), 0.02);
    EXPECT_GT(relative_error(gradients[1], gradients[0]), 0.0);  // it did run in another precision
  }
}

TEST(CompactNetwork, InferenceGivesTheVotesOfTraining) {
  for (const auto& [name, settings, tolerance] : networks()) {
    static_cast<void>(tolerance);
    SCOPED_TRACE(name);
    if (settings.dropout.rate > 0.0) continue;
    Network network = make_network(settings, {1, 13, 12}, 3, 1, at::kFloat);
    const at::Tensor x = random_normal({1, 4, 1, 13, 12}, at::kFloat, 5).to(at::kFloat).abs();
    const at::Tensor training = network.forward(x);
    EXPECT_TRUE(training.requires_grad());
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(network.forward(x), training));
  }
}

TEST(CompactNetwork, NoticesWeightsThatChangedBeforeBackward) {
  Network network = make_network(settings_of("8C3(Encoding)-Voting"), {1, 6, 6}, 3, 1, at::kFloat);
  const at::Tensor votes = network.forward(random_normal({1, 2, 1, 6, 6}, at::kFloat, 5).to(at::kFloat));
  assign(network, "conv1.weight", at::zeros({8, 1, 3, 3}));
  EXPECT_THROW(votes.sum().backward(), c10::Error);
}

// Weights that are multiples of 1 / 1024, the largest of each filter 1023 of them, are exact in the 16 bits
// of the event-driven path, and every current is exact in float.
at::Tensor on_the_grid(const at::Tensor& value) {
  const at::Tensor grid = (value * 1024).round().clamp(-1023, 1023) / 1024;
  if (grid.dim() == 1) return grid;
  at::Tensor first = grid;  // of each filter
  while (first.dim() > 1) first = first.select(1, 0);
  first.fill_(1023.0 / 1024.0);
  return grid;
}

TEST(CompactNetwork, EventDrivenEqualsDenseWhereTheWeightsAreExact) {
  for (const auto& [name, settings, tolerance] : networks()) {
    static_cast<void>(tolerance);
    SCOPED_TRACE(name);
    std::vector<at::Tensor> votes;
    std::vector<std::vector<at::Tensor>> gradients;
    std::vector<std::vector<LayerCost>> costs(2);
    for (const auto path : {model::Path::kDense, model::Path::kEvent}) {
      auto chosen = settings;
      chosen.compute.path = path;
      Network network = make_network(chosen, {2, 13, 12}, 3, 1, at::kFloat);
      for (const auto& parameter : network.parameters()) {
        assign(network, parameter.name, on_the_grid(parameter.value));
      }
      ForwardOptions options;
      options.training = true;
      options.costs = &costs[votes.size()];
      const at::Tensor x =
          random_normal({settings.num_steps, 4, 2, 13, 12}, at::kFloat, 5).gt(0.8).to(at::kFloat);
      votes.push_back(network.forward(x, options));
      mse_loss(votes.back(), at::tensor({0, 1, 2, 1}, at::kLong), Reduction::kSum).backward();
      gradients.push_back(gradients_of(network));
    }
    EXPECT_TRUE(at::equal(votes[0], votes[1]));
    EXPECT_GT(votes[0].max().item().toDouble(), 0.0);
    EXPECT_LT(relative_error(gradients[1], gradients[0]), 1e-5);
    for (const LayerCost& cost : costs[0]) EXPECT_EQ(cost.path, "dense fp32");
    // Not the first layer, whose input is not packed, nor what comes behind dropout, NeuNorm or
    // two poolings.
    const bool changed = settings.dropout.rate > 0.0 || settings.neunorm.enabled ||
                         settings.structure.find("AP2-AP2") != std::string::npos;
    EXPECT_EQ(costs[1][1].path, changed ? "dense fp32" : "event");
    EXPECT_EQ(costs[1].back().path, "event");
    EXPECT_EQ(costs[1].front().path, "dense fp32");
  }
}

TEST(CompactNetwork, AutoTakesThePathOfTheDensity) {
  auto settings = settings_of("16C3(Encoding)-128C3-20FC-Voting", 8);
  settings.compute.precision = model::Precision::kBf16;
  struct Limits {
    double forward, gradient;
  };
  for (const auto& [limits, events, part] : {std::tuple<Limits, bool, const char*>{{9.0, 9.0}, true, ""},
                                             {{0.0, 0.0}, false, ""},
                                             {{9.0, 0.0}, true, ", gradient dense"},
                                             {{0.0, 9.0}, false, ", gradient event"}}) {
    settings.compute.event_forward_below = limits.forward;
    settings.compute.event_gradient_below = limits.gradient;
    Network network = make_network(settings, {1, 13, 12}, 3, 1, at::kFloat);
    std::vector<LayerCost> costs;
    ForwardOptions options;
    options.costs = &costs;
    network.forward(random_normal({1, 4, 1, 13, 12}, at::kFloat, 5).abs(), options);
    const std::string path = costs.at(1).path;
    EXPECT_EQ(path.rfind("event", 0) == 0, events) << path;
    EXPECT_NE(path.find(part), std::string::npos) << path;
    EXPECT_EQ(costs.at(2).path.rfind("dense", 0), 0u) << costs.at(2).path;  // too few rows to be worth it
  }
}

TEST(CompactNetwork, KeepsASpikeAndTwoBytesForEachNeuronOfASurrogateWithTails) {
  for (const auto surrogate : {kernels::Surrogate::kSigmoid, kernels::Surrogate::kArctan}) {
    auto settings = settings_of("4C3(Encoding)-AP2-10FC-Voting", 5);
    settings.neuron.surrogate = surrogate;
    Network network = make_network(settings, {1, 8, 8}, 3, 1, at::kFloat);
    std::vector<LayerCost> costs;
    ForwardOptions options;
    options.costs = &costs;
    network.forward(random_normal({1, 2, 1, 8, 8}, at::kFloat, 5).abs(), options);
    EXPECT_EQ(costs.at(0).saved_bytes, 5 * (2 * 256 / 8 + 2 * 2 * 256));
    EXPECT_EQ(costs.at(1).saved_bytes, 5 * (8 + 2 * 2 * 10));  // bits in words of 64
  }
}

TEST(CompactNetwork, SkippingClosedWindowsChangesNoGradient) {
  for (const bool bits : {false, true}) {
    auto settings = settings_of("16C3(Encoding)-128C3-128C3-20FC-Voting", 8);
    settings.compute.precision = model::Precision::kBf16;
    settings.neuron.surrogate = kernels::Surrogate::kRectangular;
    settings.neuron.reset =
        bits ? kernels::Reset::kSubtract : kernels::Reset::kZero;  // a bit or a code is kept
    std::vector<std::vector<at::Tensor>> gradients;
    for (const double below : {0.0, 2.0}) {
      Network network = make_network(settings, {1, 13, 12}, 3, 1, at::kFloat);
      network.set_crossovers({{"conv2", 0.0, 0.0, below}, {"conv3", 0.0, 0.0, below}});
      std::vector<LayerCost> costs;
      ForwardOptions options;
      options.costs = &costs;
      const at::Tensor x = random_normal({1, 4, 1, 13, 12}, at::kFloat, 5).abs();
      mse_loss(network.forward(x, options), at::tensor({0, 1, 2, 1}, at::kLong), Reduction::kSum).backward();
      gradients.push_back(gradients_of(network));
      if (kernels::cpu::has_fast_bfloat16() && std::string(kernels::cpu::simd_level()) == "avx512") {
        for (const std::size_t layer : {1u, 2u}) {
          EXPECT_EQ(costs.at(layer).path.find("open windows") != std::string::npos, below > 0.0)
              << costs.at(layer).path;
        }
      }
    }
    // The gradient between layers has 8 bits, and sums are taken in another order.
    EXPECT_LT(relative_error(gradients[1], gradients[0]), 5e-3);
  }
}

TEST(CompactNetwork, MeasuresWhereEventDrivenLayersPay) {
  auto settings = settings_of("16C3(Encoding)-128C3-AP2-128C3-20FC-Voting", 8);
  settings.compute.precision = model::Precision::kBf16;
  Network network = make_network(settings, {1, 26, 24}, 3, 1, at::kFloat);
  const auto measured = network.measure_crossovers(4);
  ASSERT_EQ(measured.size(), 2u);  // not the first layer, nor those of few filters
  EXPECT_EQ(measured[0].layer, "conv2");
  EXPECT_EQ(measured[1].layer, "conv3");
  for (const auto& crossover : measured) {
    const double most = crossover.layer == "conv3" ? 4.0 : 1.0;  // behind pooling by two
    for (const double below : {crossover.forward_below, crossover.gradient_below}) {
      EXPECT_GE(below, 0.0);
      EXPECT_LE(below, most);
    }
  }
  settings.compute.path = model::Path::kDense;
  EXPECT_TRUE(make_network(settings, {1, 26, 24}, 3, 1, at::kFloat).measure_crossovers(4).empty());
}

TEST(CompactNetwork, TakesTheCrossoversThatItIsGiven) {
  auto settings = settings_of("16C3(Encoding)-128C3-128C3-20FC-Voting", 8);
  settings.compute.precision = model::Precision::kBf16;
  Network network = make_network(settings, {1, 13, 12}, 3, 1, at::kFloat);
  network.set_crossovers({{"conv2", 9.0, 0.0, 0.0}, {"conv3", 0.0, 9.0, 0.0}});
  std::vector<LayerCost> costs;
  ForwardOptions options;
  options.costs = &costs;
  network.forward(random_normal({1, 4, 1, 13, 12}, at::kFloat, 5).abs(), options);
  EXPECT_EQ(costs.at(1).path.rfind("event, gradient dense", 0), 0u) << costs.at(1).path;
  EXPECT_NE(costs.at(2).path.find(", gradient event"), std::string::npos) << costs.at(2).path;
  EXPECT_EQ(costs.at(1).crossover.forward_below, 9.0);
  EXPECT_THROW(network.set_crossovers({{"conv7", 1.0, 1.0, 1.0}}), ConfigError);
}

}  // namespace
}  // namespace spikeloom::nn::test
