// One definition of a synaptic operation: what sessions, reports (WorkCounter) and graphs of NIR count is the
// same.
#include <gtest/gtest.h>

#include <numeric>

#include "spikeloom/runtime/classifier.h"
#include "spikeloom/runtime/nir_export.h"
#include "spikeloom/runtime/observation/work_counter.h"
#include "spikeloom/runtime/session.h"
#include "tests/runtime/made_up_network.h"

namespace spikeloom::runtime {
namespace synaptic_operations_test {
namespace {

using testing::Case;
using testing::network_of;

constexpr std::int64_t kSteps = 6;

/// [kSteps, H, W, C]: counts of events, several at a place too.
std::vector<float> events_of(const Network& network) {
  std::vector<float> frames(static_cast<std::size_t>(kSteps * network.input.size()));
  RandomStream random(5, RandomPurpose::kSimulation);
  for (float& value : frames) {
    const float draw = random.uniform();
    value = draw > 0.95f ? 3.0f : draw > 0.8f ? 1.0f : 0.0f;
  }
  return frames;
}

const Case kCases[] = {
    {"average", "8C3(Encoding)-AP2-12C3-AP2-20FC-Voting"},
    {"maximum", "8C3(Encoding)-MP2-12C3-MP2-20FC-Voting"},
    {"stride_and_global", "8C5S2P2(Encoding)-12C3-GAP-Voting"},
    {"vectors", "24FC-12FC-Voting"},
    {"sum_of_spikes", "8C3(Encoding)-{8C3-8C3}-AP2-{12C3-12C3}-Voting"},
    {"currents", "8C3(Encoding)-[8C3-8C3]-AP2-[12C3-12C3]-Readout"},
    {"neunorm", "8C3(Encoding)-AP2-12C3-8C3-Voting",
     [](model::NetworkSettings& settings) { settings.neunorm.enabled = true; }},
    {"recurrent", "8C3(Encoding)-AP2-16RFC-Readout"},
    {"event_driven", "8C3(Encoding)-AP2-12C3-12C3-AP2-20FC-Voting",
     [](model::NetworkSettings& settings) { settings.compute.path = model::Path::kEvent; }},
    {"event_driven_maximum", "8C3(Encoding)-MP2-12C3-12FC-Voting",
     [](model::NetworkSettings& settings) { settings.compute.path = model::Path::kEvent; }},
};

class SynapticOperations : public ::testing::TestWithParam<Case> {};

TEST_P(SynapticOperations, OfASessionAreThoseOfAReport) {
  for (const bool rounds : {false, true}) {
    const auto network = network_of(GetParam());
    if (rounds) {  // pooled values are rounded to bfloat16
      for (Node& node : network->nodes) node.bfloat16 = !node.reads_input();
    }
    const std::vector<float> frames = events_of(*network);
    const auto size = static_cast<std::size_t>(network->input.size());
    Session session(network);
    WorkCounter counter(*network);
    session.observe([&] {
      const Span<const float> all{frames.data(), frames.size()};
      counter.step(session, all.subspan(static_cast<std::size_t>(session.steps() - 1) * size, size), true);
    });
    session.run({frames.data(), frames.size()});
    const auto& of_nodes = counter.synaptic_operations();
    const std::int64_t expected = std::accumulate(of_nodes.begin(), of_nodes.end(), std::int64_t{0});
    EXPECT_GT(expected, of_nodes[0]);
    EXPECT_EQ(session.synaptic_operations(), expected);
  }
}

TEST_P(SynapticOperations, OfAGraphAreThoseOfItsNetwork) {
  const auto network = network_of(GetParam());
  if (std::string(GetParam().name).find("maximum") != std::string::npos)
    GTEST_SKIP() << "NIR has no maximum pooling";
  if (GetParam().name == std::string("neunorm"))
    GTEST_SKIP() << "a graph has synapses of its own for NeuNorm";
  const auto own = make_classifier(network);
  constexpr double kDt = 5e-3;
  const auto graph = make_classifier(nir_graph(*network, kDt), nir_options(*network, kDt));
  const std::vector<float> frames = events_of(*network);
  const auto size = static_cast<std::size_t>(network->input.size());
  for (std::size_t t = 0; t < static_cast<std::size_t>(kSteps); ++t) {
    own->step({frames.data() + t * size, size});
    graph->step({frames.data() + t * size, size});
  }
  Session session(network);
  session.run({frames.data(), frames.size()});
  std::int64_t expected = session.synaptic_operations();
  EXPECT_EQ(own->synaptic_operations(), expected);
  // The graph votes by weights: each spike of a voting neuron reaches all classes.
  if (network->nodes.back().neurons.kind == Neurons::kSpiking) {
    expected += session.spike_counts()[network->nodes.size() - 1] * network->num_classes;
  }
  EXPECT_EQ(graph->synaptic_operations(), expected);
}

INSTANTIATE_TEST_SUITE_P(Networks, SynapticOperations, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(SynapticOperations, AStillImageHasNoEvents) {
  const auto network = network_of({"image", "24FC-Voting"});
  const std::vector<float> image(static_cast<std::size_t>(network->input.size()), 0.5f);
  Session session(network);
  session.run({image.data(), image.size()});
  EXPECT_EQ(session.synaptic_operations(),
            session.spike_counts()[0] * static_cast<std::int64_t>(network->class_of.size()));
}

}  // namespace
}  // namespace synaptic_operations_test
}  // namespace spikeloom::runtime
