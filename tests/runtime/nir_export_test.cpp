// Networks as graphs of NIR: written, read back and run, each kind of layer and neuron gives the same spikes.
#include "spikeloom/runtime/nir_export.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/formats/nir/write.h"
#include "spikeloom/runtime/classifier.h"
#include "tests/runtime/made_up_network.h"

namespace spikeloom::runtime {
namespace nir_export_test {
namespace {

using testing::Case;
using testing::network_of;

constexpr double kDt = 5e-3;

const Case kCases[] = {
    {"convolutions", "8C3(Encoding)-AP2-12C3-AP2-20FC-Voting"},
    {"stride", "8C5S2P2(Encoding)-12C3-GAP-Voting"},
    {"vectors", "24FC-12FC-Voting"},
    {"subtract", "8C3(Encoding)-AP2-12C3-Voting",
     [](model::NetworkSettings& settings) { settings.neuron.reset = kernels::Reset::kSubtract; }},
    {"integrate_and_fire", "8C3(Encoding)-AP2-Voting",
     [](model::NetworkSettings& settings) {
       settings.neuron_kind = model::NeuronKind::kIf;
       settings.neuron.reset = kernels::Reset::kSubtract;
     }},
    {"synaptic_current", "8C3(Encoding)-20FC-Voting",
     [](model::NetworkSettings& settings) {
       settings.neuron_kind = model::NeuronKind::kCubaLif;
       settings.neuron.current_decay = 0.5;
       settings.neuron.v_reset = -0.25;
     }},
    {"learnt_decay", "8C3(Encoding)-12C3-AP2-Voting",
     [](model::NetworkSettings& settings) { settings.learn_decay = settings.learn_v_threshold = true; }},
    {"tdbn_sew", "8C3(Encoding)-{8C3-8C3}-AP2-{12C3-12C3}-Voting",
     [](model::NetworkSettings& settings) { settings.norm.kind = model::NormKind::kTdbn; }},
    {"ms_readout", "8C3(Encoding)-[8C3-8C3]-AP2-[12C3-12C3]-Readout"},
    {"neunorm", "8C3(Encoding)-AP2-12C3-8C3-Voting",
     [](model::NetworkSettings& settings) { settings.neunorm.enabled = true; }},
    {"neunorm_after", "8C3(Encoding)-AP2-12C3-8C3-Voting",
     [](model::NetworkSettings& settings) {
       settings.neunorm.enabled = settings.neunorm.after_pooling = settings.neunorm.per_channel_u = true;
     }},
    {"recurrent", "8C3(Encoding)-AP2-16RFC-Readout"},
};

class NirExport : public ::testing::TestWithParam<Case> {};

TEST_P(NirExport, WhatIsReadBackGivesTheSameSpikes) {
  const auto network = network_of(GetParam());
  const std::string path =
      "/tmp/spikeloom-export-" + std::to_string(::getpid()) + "-" + GetParam().name + ".nir";
  formats::write_nir(path, nir_graph(*network, kDt));
  const formats::NirGraph graph = formats::read_nir(path);
  std::remove(path.c_str());
  const NirComparison result = compare_with_nir(network, graph, kDt, 3);
  EXPECT_EQ(result.steps, 18);
  EXPECT_GT(result.spikes, 100);
  EXPECT_EQ(result.different_spikes, 0);
  EXPECT_LT(result.largest_vote_difference, 1e-4);
}

TEST_P(NirExport, AnotherWeightIsSeen) {
  const auto network = network_of(GetParam());
  formats::NirGraph graph = nir_graph(*network, kDt);
  bool changed = false;
  for (formats::NirNode& node : graph.nodes) {
    if (node.name != network->nodes.front().name) continue;
    for (double& value : node.parameters["weight"].values) value = -value;
    changed = true;
  }
  EXPECT_TRUE(changed) << network->nodes.front().name;
  const NirComparison result = compare_with_nir(network, graph, kDt, 3);
  EXPECT_GT(result.different_spikes, 0);
}

INSTANTIATE_TEST_SUITE_P(Networks, NirExport, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(NirExportRefusal, NamesTheLayer) {
  const Case cases[] = {
      {"pool1", "8C3(Encoding)-MP2-12C3-Voting"},
      {"conv1", "8C3(Encoding)-12C3-Voting",
       [](model::NetworkSettings& settings) { settings.norm.kind = model::NormKind::kTebn; }},
      {"conv1", "8C3(Encoding)-Voting",
       [](model::NetworkSettings& settings) { settings.neuron.reset = kernels::Reset::kNone; }},
      {"artificial", "8C3(Encoding)-Voting",
       [](model::NetworkSettings& settings) { settings.kind = model::NetworkKind::kAnn; }},
  };
  for (const Case& one : cases) {
    try {
      nir_graph(*network_of(one), kDt);
      ADD_FAILURE() << one.structure;
    } catch (const ConfigError& error) {
      const std::string name = one.name == std::string("pool1") ? "conv2" : one.name;
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

TEST(Classifier, VotesThatAreNotFiniteAreAnError) {
  const auto network = network_of({"readout", "4FC-Readout"});
  for (float& weight : network->nodes.back().product.weight) weight = 3e38f;
  for (float& weight : network->nodes.front().product.weight) weight = 1.0f;
  const auto own = make_classifier(network);
  const std::vector<float> frame(static_cast<std::size_t>(network->input.size()), 1.0f);
  EXPECT_THROW(own->step({frame.data(), frame.size()}), NumericsError);
  own->reset();
  const std::vector<float> empty(frame.size());
  EXPECT_NO_THROW(own->step({empty.data(), empty.size()}));
}

TEST(Classifier, AGraphVotesAsItsNetwork) {
  const auto network = network_of(kCases[0]);
  const auto own = make_classifier(network);
  const auto graph = make_classifier(nir_graph(*network, kDt), nir_options(*network, kDt));
  EXPECT_EQ(own->input(), graph->input());
  RandomStream random(5, RandomPurpose::kSimulation);
  std::vector<float> frame(static_cast<std::size_t>(network->input.size()));
  for (int round = 0; round < 2; ++round) {
    for (int t = 0; t < 5; ++t) {
      for (float& value : frame) value = random.uniform() > 0.8f ? 1.0f : 0.0f;
      own->step({frame.data(), frame.size()});
      graph->step({frame.data(), frame.size()});
    }
    EXPECT_EQ(own->steps(), 5);
    EXPECT_EQ(graph->steps(), 5);
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(own->sums()[k] / static_cast<double>(own->populations()[k]), graph->sums()[k], 1e-5);
    }
    own->reset();
    graph->reset();
    EXPECT_EQ(graph->sums()[0], 0.0);
    EXPECT_EQ(graph->synaptic_operations(), 0);
  }
  EXPECT_EQ(own->another()->steps(), 0);
}

}  // namespace
}  // namespace nir_export_test
}  // namespace spikeloom::runtime
