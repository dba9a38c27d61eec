// The runtime's votes and potentials, to the last bit: the same on every machine and at every SIMD level. The
// hashes below are what x86-64 gives; whoever changes the runtime's arithmetic on purpose takes the new ones
// from the test's message, and says so in the change. That votes are right is for session_test.cpp.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <ostream>

#include "spikeloom/base/random.h"
#include "spikeloom/model/plan.h"
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

std::shared_ptr<const Network> network_of(const Case& one) {
  model::NetworkSettings settings;
  settings.structure = one.structure;
  settings.num_steps = kSteps;
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

}  // namespace
}  // namespace spikeloom::runtime
