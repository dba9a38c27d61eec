// What the report counts, against the engine's evaluation and against counts by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/observation/observe.h"
#include "spikeloom/runtime/session.h"
#include "spikeloom/train/evaluation/evaluate.h"
#include "spikeloom/train/evaluation/trained_network.h"
#include "tests/train/pattern_set.h"

namespace spikeloom::runtime {
namespace observation_test {
namespace {

constexpr std::int64_t kSamples = 40;
constexpr int kSteps = 3;

class ObservationTest : public ::testing::Test {
 protected:
  ObservationTest() {
    testing::write_pattern_set(folder_.path(), 20, kSamples);
    request_.model = folder_ / "model.safetensors";
    request_.data_dir = folder_.path();
    request_.samples = 0;
  }

  void make(const std::string& structure, model::NetworkKind kind = model::NetworkKind::kSpiking) {
    train::ModelInfo info;
    info.recipe.name = "test";
    info.recipe.data.dataset = "mnist";
    info.input = {1, 28, 28};
    for (int i = 0; i < 10; ++i) info.class_names.push_back(std::to_string(i));
    model::NetworkSettings& settings = info.recipe.network;
    settings.structure = structure;
    settings.kind = kind;
    settings.num_steps = num_steps_;
    settings.compute.precision = model::Precision::kFp32;
    settings.compute.path = model::Path::kDense;
    train::TrainedNetwork::initialised(info).save(request_.model);
  }

  train::ModelEvaluation evaluate(std::int64_t limit = 0) const {
    train::EvaluationRequest request;
    request.model = request_.model;
    request.data_dir = request_.data_dir;
    request.limit = limit;
    request.threads = 1;
    return train::evaluate_model(request);
  }

  testing::TemporaryFolder folder_;
  ObservationRequest request_;
  int num_steps_ = kSteps;
};

TEST_F(ObservationTest, CountsWhatEvaluationCounts) {
  make("6C3(Encoding)-AP2-20FC-Voting");
  const auto observed = observe(request_);
  const auto evaluated = evaluate();
  ASSERT_EQ(observed.samples, kSamples);
  EXPECT_EQ(observed.correct, evaluated.result.correct);
  EXPECT_EQ(observed.confusion, evaluated.result.confusion);
  ASSERT_EQ(observed.layers.size(), evaluated.result.firing_rates.size());
  for (std::size_t i = 0; i < observed.layers.size(); ++i) {
    const auto& [name, rate] = evaluated.result.firing_rates[i];
    const auto& layer = observed.layers[i];
    EXPECT_EQ(layer.name, name);
    EXPECT_GT(layer.spikes, 0) << name;
    EXPECT_NEAR(layer.firing_rate, rate, 1e-9) << name;
    EXPECT_EQ(layer.updates, static_cast<double>(layer.neurons * kSteps));
    const auto& potentials = layer.potentials.counts;
    EXPECT_GT(std::accumulate(potentials.begin(), potentials.end(), std::int64_t{0}), 0);
  }
  // A spike of conv1 lies in a window of the pooling and reaches all 20 neurons of fc1; one of fc1 all
  // voters.
  const double of_conv1 = evaluated.result.firing_rates[0].second * 6 * 28 * 28 * kSteps;
  const double of_fc1 = evaluated.result.firing_rates[1].second * 20 * kSteps;
  EXPECT_NEAR(observed.layers[1].synaptic_operations, of_conv1 * 20, 1e-6 * of_conv1 * 20);
  EXPECT_NEAR(observed.layers[2].synaptic_operations, of_fc1 * 100, 1e-6 * of_fc1 * 100);
  EXPECT_EQ(observed.layers[1].macs, 0.0);
  EXPECT_EQ(observed.layers[0].synaptic_operations, 0.0);  // pixels are no spikes
  EXPECT_GT(observed.layers[0].macs, 0.0);
  EXPECT_LE(observed.layers[0].macs, 28.0 * 28 * 9 * 6);
}

// Large layers are sampled, over all channels: the share at the threshold or above it is the firing rate.
TEST_F(ObservationTest, PotentialsOfLargeLayersAreThoseOfAllChannels) {
  make("64C3(Encoding)-AP2-32C3-AP2-20FC-Voting");
  for (const auto& layer : observe(request_).layers) {
    std::int64_t all = 0, above = 0;
    const auto& counts = layer.potentials.counts;
    for (std::size_t bin = 0; bin < counts.size(); ++bin) {
      const double from = layer.potentials.low + (layer.potentials.high - layer.potentials.low) *
                                                     static_cast<double>(bin) /
                                                     static_cast<double>(counts.size());
      all += counts[bin];
      if (from > 1.0 - 1e-9) above += counts[bin];
    }
    ASSERT_GT(all, 0);
    const double share = static_cast<double>(above) / static_cast<double>(all);
    EXPECT_NEAR(share, layer.firing_rate, 0.03 * std::max(layer.firing_rate, 0.1)) << layer.name;
  }
}

TEST_F(ObservationTest, RastersHoldTheSpikesOfEvaluation) {
  make("2C3(Encoding)-AP2-20FC-Voting");
  request_.rasters = {0};
  request_.raster_neurons = 1 << 20;
  const auto observed = observe(request_);
  const auto evaluated = evaluate(1);
  ASSERT_EQ(observed.rasters.size(), 1u);
  const auto& raster = observed.rasters[0];
  ASSERT_EQ(raster.layers.size(), 3u);
  EXPECT_EQ(raster.num_steps, kSteps);
  for (std::size_t i = 0; i < raster.layers.size(); ++i) {
    const auto& layer = raster.layers[i];
    std::int64_t spikes = 0;
    for (const std::string& train : layer.trains) {
      EXPECT_EQ(train.size(), static_cast<std::size_t>(kSteps));
      spikes += std::count(train.begin(), train.end(), '1');
    }
    EXPECT_EQ(spikes, layer.spikes) << layer.layer;
    const double rate = static_cast<double>(spikes) / static_cast<double>(layer.neurons * kSteps);
    EXPECT_NEAR(rate, evaluated.result.firing_rates[i].second, 1e-9) << layer.layer;
  }
  ASSERT_EQ(raster.votes.size(), static_cast<std::size_t>(kSteps));
  EXPECT_EQ(raster.vote_steps, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(raster.picture.values.size(), 28u * 28u);
  EXPECT_EQ(*std::max_element(raster.picture.values.begin(), raster.picture.values.end()), 255);
}

// The vote is shown to its end, the spikes of the first steps.
TEST_F(ObservationTest, VotesOfManyStepsAreThinned) {
  num_steps_ = 600;
  make("2C3(Encoding)-AP4-Voting");
  request_.rasters = {0};
  request_.samples = 1;
  const auto raster = observe(request_).rasters[0];
  EXPECT_EQ(raster.num_steps, 600);
  for (const auto& layer : raster.layers)
    for (const std::string& train : layer.trains)
      EXPECT_EQ(train.size(), static_cast<std::size_t>(report::kRasterSteps));
  ASSERT_EQ(raster.vote_steps.size(), raster.votes.size());
  EXPECT_LE(raster.votes.size(), 257u);
  EXPECT_GE(raster.votes.size(), 128u);
  EXPECT_EQ(raster.vote_steps.front(), 1);
  EXPECT_EQ(raster.vote_steps.back(), 600);
  EXPECT_EQ(raster.vote_steps[2] - raster.vote_steps[1], 4);
  // A vote is a mean over the steps so far: times these, it never falls.
  for (std::size_t i = 1; i < raster.votes.size(); ++i) {
    for (std::size_t k = 0; k < 10; ++k) {
      EXPECT_GE(raster.votes[i][k] * static_cast<float>(raster.vote_steps[i]) + 1e-3f,
                raster.votes[i - 1][k] * static_cast<float>(raster.vote_steps[i - 1]));
    }
  }
}

// By hand: every pair of an input and an output that a kernel connects.
TEST_F(ObservationTest, SynapsesIntoThePaddingAreNone) {
  make("2C3(Encoding)-MP2-3C5S2P2-Voting");
  request_.samples = 1;
  request_.rasters = {0};
  request_.raster_neurons = 1 << 20;
  const auto observed = observe(request_);
  const auto& conv1 = observed.rasters[0].layers[0];
  std::vector<std::string> trains(28 * 28 * 2, std::string(kSteps, '0'));
  for (std::size_t i = 0; i < conv1.shown.size(); ++i)
    trains[static_cast<std::size_t>(conv1.shown[i])] = conv1.trains[i];
  double expected = 0.0;
  for (std::size_t t = 0; t < kSteps; ++t) {
    for (int y = 0; y < 14; ++y) {
      for (int x = 0; x < 14; ++x) {
        int synapses = 0;
        for (int oy = 0; oy < 7; ++oy) {
          for (int ox = 0; ox < 7; ++ox) {
            const int dy = y - (2 * oy - 2), dx = x - (2 * ox - 2);
            synapses += dy >= 0 && dy < 5 && dx >= 0 && dx < 5 ? 3 : 0;
          }
        }
        for (int c = 0; c < 2; ++c) {
          bool any = false;
          for (int i = 0; i < 4; ++i) {
            const int neuron = ((2 * y + i / 2) * 28 + 2 * x + i % 2) * 2 + c;
            any = any || trains[static_cast<std::size_t>(neuron)][t] == '1';
          }
          expected += any ? synapses : 0;
        }
      }
    }
  }
  EXPECT_GT(expected, 0.0);
  EXPECT_EQ(observed.layers[1].synaptic_operations, expected);
}

TEST_F(ObservationTest, IsTheSameForAnyNumberOfThreads) {
  make("6C3(Encoding)-AP2-20FC-Voting");
  request_.samples = 13;
  const auto one = observe(request_);
  request_.threads = 3;
  const auto three = observe(request_);
  EXPECT_EQ(one.samples, 13);
  EXPECT_EQ(one.confusion, three.confusion);
  EXPECT_EQ(one.calibration_error, three.calibration_error);
  for (std::size_t i = 0; i < one.layers.size(); ++i) {
    EXPECT_EQ(one.layers[i].spikes, three.layers[i].spikes);
    EXPECT_EQ(one.layers[i].synaptic_operations, three.layers[i].synaptic_operations);
    EXPECT_EQ(one.layers[i].macs, three.layers[i].macs);
    EXPECT_EQ(one.layers[i].potentials.counts, three.layers[i].potentials.counts);
  }
  ASSERT_EQ(one.hardest.size(), 12u);
  for (std::size_t i = 1; i < one.hardest.size(); ++i) {
    EXPECT_LE(one.hardest[i - 1].decision.label_confidence, one.hardest[i].decision.label_confidence);
    EXPECT_EQ(one.hardest[i].decision.index, three.hardest[i].decision.index);
  }
  std::int64_t samples = 0;
  for (const auto& bin : one.calibration) samples += bin.samples;
  EXPECT_EQ(samples, 13);
}

TEST_F(ObservationTest, AnArtificialNetworkHasNoSpikes) {
  make("6C3(Encoding)-AP2-20FC-Voting", model::NetworkKind::kAnn);
  const auto observed = observe(request_);
  EXPECT_FALSE(observed.spiking);
  EXPECT_EQ(observed.correct, evaluate().result.correct);
  for (const auto& layer : observed.layers) {
    EXPECT_FALSE(layer.fires);
    EXPECT_EQ(layer.spikes, 0);
    EXPECT_EQ(layer.synaptic_operations, 0.0);
    EXPECT_GT(layer.macs, 0.0);
  }
  for (const auto& raster : observed.rasters) EXPECT_TRUE(raster.layers.empty());
}

TEST_F(ObservationTest, WhatIsNotThereIsRefused) {
  make("6C3(Encoding)-AP2-20FC-Voting");
  request_.rasters = {kSamples};
  EXPECT_THROW(observe(request_), ConfigError);
  request_.rasters = {};
  request_.split = "validation";
  EXPECT_THROW(observe(request_), DataError);
}

// Observing is looking: votes and state stay the same.
TEST_F(ObservationTest, ObservingChangesNothing) {
  make("6C3(Encoding)-AP2-20FC-Voting");
  const Model model = load_model(request_.model);
  const std::vector<float> image(28 * 28, 0.7f);
  Session plain(model.network), observed(model.network);
  int steps = 0;
  observed.observe([&] {
    EXPECT_EQ(observed.steps(), ++steps);
    const auto spikes = observed.outputs(0);
    const auto v_pre = observed.v_pre(0);
    ASSERT_EQ(spikes.size(), v_pre.size());
    const float threshold = model.network->nodes[0].neurons.v_threshold[0];
    for (std::size_t i = 0; i < spikes.size(); ++i) ASSERT_EQ(spikes[i] == 1.0f, v_pre[i] >= threshold);
  });
  plain.run({image.data(), image.size()});
  observed.run({image.data(), image.size()});
  EXPECT_EQ(steps, kSteps);
  for (std::size_t k = 0; k < 10; ++k) EXPECT_EQ(plain.votes()[k], observed.votes()[k]);
  EXPECT_TRUE(plain.v_pre(0).empty());
  observed.observe({});
  observed.run({image.data(), image.size()});
  EXPECT_EQ(steps, kSteps);
}

}  // namespace
}  // namespace observation_test
}  // namespace spikeloom::runtime
