// The runtime's votes and potentials, to the last bit: the same on every machine and at every SIMD level. The
// hashes below are what x86-64 gives; whoever changes the runtime's arithmetic on purpose takes the new ones
// from the test's message, and says so in the change. That votes are right is for session_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <ostream>

#include "spikeloom/base/random.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/runtime/arithmetic/pooling.h"
#include "spikeloom/runtime/session.h"

namespace spikeloom::runtime {
namespace {

constexpr model::Shape kInput{2, 13, 13};
constexpr int kSteps = 6;

struct Case {
  const char* name;
  const char* structure;
  std::uint64_t hash;
  void (*change)(model::NetworkSettings&) = [](model::NetworkSettings&) {};
};

void PrintTo(const Case& one, std::ostream* stream) { *stream << one.name; }

const Case kCases[] = {
    {"plain", "9C3(Encoding)-AP2-37C3-AP2-21FC-Voting", 0x61bb78b1bc75691d},
    {"wide", "150C3(Encoding)-AP2-131FC-Voting", 0xb89e378c374e413c},
    {"subtract", "40C3(Encoding)-AP2-Voting", 0xafcc200874c68f03,
     [](model::NetworkSettings& settings) { settings.neuron.reset = kernels::Reset::kSubtract; }},
    {"cuba", "8C3(Encoding)-20FC-Voting", 0x4d526a64b98a85a0,
     [](model::NetworkSettings& settings) {
       settings.neuron_kind = model::NeuronKind::kCubaLif;
       settings.neuron.current_decay = 0.5;
       settings.neuron.v_reset = -0.25;
     }},
    {"plif", "8C3(Encoding)-12C3-AP2-Voting", 0xd948c7bf6f69feb2,
     [](model::NetworkSettings& settings) { settings.learn_decay = settings.learn_v_threshold = true; }},
    {"tdbn_sew", "8C3(Encoding)-{8C3-8C3}-AP2-{12C3-12C3}-Voting", 0x62859e50c7286550,
     [](model::NetworkSettings& settings) { settings.norm.kind = model::NormKind::kTdbn; }},
    {"tebn_ms", "8C3(Encoding)-[8C3-8C3]-AP2-[12C3-12C3]-Readout", 0xc023ce19c44d33f2,
     [](model::NetworkSettings& settings) { settings.norm.kind = model::NormKind::kTebn; }},
    {"neunorm", "8C3(Encoding)-AP2-12C3-8C3-Voting", 0x5996396d987b5323,
     [](model::NetworkSettings& settings) { settings.neunorm.enabled = true; }},
    {"max_pool_stride", "8C5S2P2(Encoding)-MP2-12C3-GAP-Voting", 0xb70ec527c5705eaa},
    {"recurrent", "8C3(Encoding)-AP2-16RFC-Readout", 0x7ec3efb1b9523950},
    {"bfloat16", "8C3(Encoding)-AP2-{12C3-12C3}-AP2-20FC-Voting", 0x77223176e70ffcb9,
     [](model::NetworkSettings& settings) { settings.compute.precision = model::Precision::kBf16; }},
    {"event_driven_fp32", "8C3(Encoding)-AP3-40C3-20FC-Voting", 0xe1aef687d18f132e,
     [](model::NetworkSettings& settings) { settings.compute.path = model::Path::kEvent; }},
    {"event_driven", "8C3(Encoding)-AP2-12C3-12C3-AP2-20FC-16FC-Voting", 0xe60aca53a8f3ff4b,
     [](model::NetworkSettings& settings) {
       settings.compute.precision = model::Precision::kBf16;
       settings.compute.path = model::Path::kEvent;
     }},
};

// Uniform with the variance of the usual start values; no library's function but a square root, which is
// exact.
SlotValues slot_values(const model::Program& program) {
  RandomStream random(5, RandomPurpose::kInit);
  SlotValues values;
  for (const model::Slot& slot : program.slots) {
    std::vector<float>& list = values.emplace_back(static_cast<std::size_t>(slot.size));
    const bool is_weight = slot.shape.size() > 1 && slot.name.find("neunorm_u") == std::string::npos;
    const bool is_positive =
        slot.name.find("variance") != std::string::npos || slot.name.find("scale") != std::string::npos;
    const float fan_in =
        is_weight ? static_cast<float>(slot.size) / static_cast<float>(slot.shape.front()) : 1.0f;
    for (float& value : list) {
      value = random.uniform();
      if (is_weight) value = 2.0f * std::sqrt(6.0f / fan_in) * (value - 0.4f);
      if (is_positive) value += 0.5f;
      if (slot.role == model::Role::kNeuron) value = 0.25f + 0.5f * value;
      if (!is_weight && !is_positive && slot.role != model::Role::kNeuron) value *= 0.3f;
    }
  }
  return values;
}

std::shared_ptr<const Network> network_of(const Case& one, int num_steps = kSteps) {
  model::NetworkSettings settings;
  settings.structure = one.structure;
  settings.num_steps = num_steps;
  settings.voting.neurons_per_class = 5;
  settings.voting.assignment = model::VotingAssignment::kRandom;
  settings.compute.precision = model::Precision::kFp32;
  settings.compute.path = model::Path::kDense;
  one.change(settings);
  const model::Program program = model::make_program(model::plan_network(settings, kInput, 3), settings, 4);
  return std::make_shared<const Network>(
      make_network(program, slot_values(program), arithmetic_of(settings.compute)));
}

// FNV-1a.
void add_to(std::uint64_t& hash, const void* data, std::size_t size) {
  const auto* const bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
}

class RuntimeBits : public ::testing::TestWithParam<Case> {};

TEST_P(RuntimeBits, AreThoseOfEveryMachine) {
  Session session(network_of(GetParam()));
  RandomStream random(6, RandomPurpose::kSimulation);
  std::uint64_t hash = 14695981039346656037u;
  const auto& nodes = session.network().nodes;
  session.observe([&] {  // potentials too: a rounding seldom shows in spikes
    for (std::size_t node = 0; node < nodes.size(); ++node) {
      const auto v_pre = session.v_pre(node);
      add_to(hash, v_pre.data(), v_pre.size() * sizeof(float));
    }
  });
  for (const bool is_image : {false, true}) {
    session.reset();
    std::vector<float> values(static_cast<std::size_t>(kInput.size()));
    for (int step = 0; step < kSteps; ++step) {
      if (!is_image || step == 0) {
        for (float& value : values) {
          value = random.uniform();
          if (!is_image) value = value > 0.7f ? 1.0f : 0.0f;
        }
      }
      session.step({values.data(), values.size()});
      add_to(hash, session.votes().data(), session.votes().size() * sizeof(float));
    }
    for (std::size_t node = 0; node < nodes.size(); ++node) {
      const std::int64_t count = session.spike_counts()[node];
      EXPECT_EQ(nodes[node].neurons.kind == Neurons::kSpiking, count > 0) << nodes[node].name;
      add_to(hash, &count, sizeof(count));
    }
  }
  EXPECT_EQ(hash, GetParam().hash) << std::hex << "0x" << hash;
}

INSTANTIATE_TEST_SUITE_P(All, RuntimeBits, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

// A run goes node by node over blocks of steps.
const Case kMoreCases[] = {
    {"neunorm_after", "8C3(Encoding)-AP2-12C3-AP2-8C3-Voting", 0,
     [](model::NetworkSettings& settings) {
       settings.neunorm.enabled = settings.neunorm.after_pooling = settings.neunorm.per_channel_u = true;
     }},
    {"max_pool_events", "62C3(Encoding)-MP2-12C3-MP2-40C3-20FC-Voting", 0,
     [](model::NetworkSettings& settings) {
       settings.compute.precision = model::Precision::kBf16;
       settings.compute.path = model::Path::kEvent;
     }},
    {"wide_bfloat16", "70C3(Encoding)-AP2-70C3-150FC-Voting", 0,
     [](model::NetworkSettings& settings) { settings.compute.precision = model::Precision::kBf16; }},
    {"matrices_alone", "150FC-20FC-Voting", 0},
    {"recurrent_first", "40RFC-Voting", 0,  // what fires changes from step to step
     [](model::NetworkSettings& settings) {
       settings.neuron.v_threshold = 6.0;
       settings.neuron.reset = kernels::Reset::kSubtract;
     }},
};
const Case kArtificial{"artificial", "8C3(Encoding)-AP2-12C3-MP2-16FC-Voting", 0,
                       [](model::NetworkSettings& settings) { settings.kind = model::NetworkKind::kAnn; }};

class RuntimeBlocks : public ::testing::TestWithParam<Case> {
 protected:
  struct Result {
    std::vector<float> votes, v_pre, outputs;
    std::vector<std::int64_t> spikes;
    std::int64_t operations = 0, steps = 0;
  };

  static std::vector<float> inputs(std::int64_t steps) {
    RandomStream random(8, RandomPurpose::kSimulation);
    std::vector<float> values(static_cast<std::size_t>(steps * kInput.size()));
    for (float& value : values) {
      value = random.uniform();
      if (steps > 1) value = value > 0.7f ? 1.0f + static_cast<float>(value > 0.95f) : 0.0f;
    }
    return values;
  }

  static Span<const float> step_of(const std::vector<float>& values, std::int64_t step) {
    const auto size = static_cast<std::size_t>(kInput.size());
    return {values.data() + static_cast<std::size_t>(step) * size % values.size(), size};
  }

  /// What it has counted; then a step more, whose potentials show those that it left.
  static Result result_of(Session& session, const std::vector<float>& values) {
    Result result;
    result.votes.assign(session.votes().begin(), session.votes().end());
    result.spikes.assign(session.spike_counts().begin(), session.spike_counts().end());
    result.operations = session.synaptic_operations();
    result.steps = session.steps();
    session.observe([&] {
      for (std::size_t node = 0; node < session.network().nodes.size(); ++node) {
        const auto v_pre = session.v_pre(node), outputs = session.outputs(node);
        result.v_pre.insert(result.v_pre.end(), v_pre.begin(), v_pre.end());
        result.outputs.insert(result.outputs.end(), outputs.begin(), outputs.end());
      }
    });
    session.step(step_of(values, 0));
    session.observe({});
    return result;
  }

  static void expect_equal(const Result& run, const Result& by_step) {
    EXPECT_EQ(run.votes, by_step.votes);
    EXPECT_EQ(run.spikes, by_step.spikes);
    EXPECT_EQ(run.v_pre, by_step.v_pre);
    EXPECT_EQ(run.outputs, by_step.outputs);
    EXPECT_EQ(run.steps, by_step.steps);
  }
};

TEST_P(RuntimeBlocks, OfARunHaveTheBitsOfItsSteps) {
  // Below a block, one, several of different lengths.
  for (const int steps : {2, 16, 35}) {
    SCOPED_TRACE(steps);
    const auto network = network_of(GetParam(), steps + 1);
    const std::vector<float> values = inputs(steps);
    Session run(network), by_step(network);
    run.step(step_of(values, 1));  // what was before does not matter
    run.run({values.data(), values.size()});
    for (int step = 0; step < steps; ++step) by_step.step(step_of(values, step));
    EXPECT_GT(run.synaptic_operations(), 0);
    EXPECT_EQ(run.synaptic_operations(), by_step.synaptic_operations());
    expect_equal(result_of(run, values), result_of(by_step, values));
  }
}

TEST_P(RuntimeBlocks, OfAStillImageToo) {
  constexpr int kLong = 20;
  auto network = std::make_shared<Network>(*network_of(GetParam(), kLong + 1));
  network->num_steps = kLong;
  const std::vector<float> image = inputs(1);
  Session run(network), by_step(network);
  run.run({image.data(), image.size()});
  for (int step = 0; step < kLong; ++step) by_step.step(step_of(image, step));
  EXPECT_LT(run.synaptic_operations(), by_step.synaptic_operations()) << "of an image there are none";
  expect_equal(result_of(run, image), result_of(by_step, image));
}

TEST(RuntimeBlocksTest, AnArtificialNetworkRunsOnceWhetherObservedOrNot) {
  const auto network = network_of(kArtificial);
  std::vector<float> values(static_cast<std::size_t>(3 * kInput.size()));
  RandomStream random(8, RandomPurpose::kSimulation);
  for (float& value : values) value = random.uniform();
  Session plain(network), observed(network);
  int calls = 0;
  observed.observe([&] {
    ++calls;
    EXPECT_GT(*std::max_element(observed.outputs(0).begin(), observed.outputs(0).end()), 0.0f);
  });
  plain.run({values.data(), values.size()});
  observed.run({values.data(), values.size()});
  EXPECT_EQ(calls, 1);
  EXPECT_GT(plain.votes()[static_cast<std::size_t>(plain.best())], 0.0f);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(plain.votes()[k], observed.votes()[k]);
  EXPECT_TRUE(plain.outputs(0).empty());
}

TEST(Pooling, OfPackedSpikesIsThatOfValues) {
  RandomStream random(4, RandomPurpose::kSimulation);
  for (const std::int64_t channels : {1, 13, 62, 64, 130}) {
    const model::Shape shape{channels, 7, 5};
    std::vector<float> values(static_cast<std::size_t>(shape.size()));
    std::vector<std::uint8_t> spikes(static_cast<std::size_t>(packed_bytes(shape)));
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      const bool fires = random.uniform() > 0.7f;
      values[static_cast<std::size_t>(i)] = fires ? 1.0f : 0.0f;
      kernels::set_bit(spikes.data(), i, fires);
    }
    for (const auto kind : {model::Pool::kNone, model::Pool::kAverage, model::Pool::kMax}) {
      for (const int factor : {1, 2, 3, 5}) {
        SCOPED_TRACE(std::to_string(channels) + " channels, pool " + std::to_string(factor));
        const model::Pool pool{kind, kind == model::Pool::kNone ? 1 : factor};
        const auto size = static_cast<std::size_t>(pooled(shape, pool).size());
        std::vector<float> expected(size), got(size, -1.0f);
        std::vector<std::uint8_t> any(spikes.size(), 0xff);
        pool_values(shape, pool, values.data(), false, expected.data());
        pool_spikes(shape, pool, spikes.data(), any.data(), got.data());
        EXPECT_EQ(got, expected);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RuntimeBlocks, ::testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });
INSTANTIATE_TEST_SUITE_P(More, RuntimeBlocks, ::testing::ValuesIn(kMoreCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace spikeloom::runtime
