#include "spikeloom/model/memory_estimate.h"

#include <gtest/gtest.h>

namespace spikeloom::model {
namespace memory_estimate_test {
namespace {

NetworkSettings small() {
  NetworkSettings settings;
  settings.structure = "4C3(Encoding)-AP2-10FC-Voting";
  settings.num_steps = 8;
  settings.neuron.detach_reset = true;  // a bit of state instead of a code
  settings.compute.working_set_mb = 0.0;
  return settings;
}

MemoryEstimate estimate(const NetworkSettings& settings, const MemoryUse& use) {
  return estimate_memory(plan_network(settings, {1, 28, 28}, 10), settings, use);
}

TEST(MemoryEstimate, IsMadeOfTheLayers) {
  MemoryUse use;
  use.batch_size = 16;
  use.moments = 2;
  use.loader_batches = 5;
  const auto memory = estimate(small(), use);
  const std::int64_t parameters = 4 * 9 + 4 + 4 * 14 * 14 * 10 + 10 + 10 * 100 + 100;
  EXPECT_EQ(memory.parameters, 4 * parameters);
  EXPECT_EQ(memory.gradients, 4 * parameters);
  EXPECT_EQ(memory.optimizer, 8 * parameters);
  EXPECT_EQ(memory.certain, 16 * parameters);
  // A bit a spike and a bit a window, of neurons only.
  EXPECT_EQ(memory.kept_state, 8 * 16 * (4 * 28 * 28 + 10 + 100) * 2 / 8);
  // The convolution's: one step in, eight out, and their gradients.
  EXPECT_EQ(memory.working_set, 16 * 2 * 4 * (28 * 28 + 8 * 4 * 28 * 28));
  EXPECT_EQ(memory.inputs, 5 * 16 * 4 * 28 * 28);
  EXPECT_EQ(memory.total(), memory.parameters + memory.gradients + memory.optimizer + memory.kept_state +
                                memory.working_set + memory.inputs + memory.libraries);
}

TEST(MemoryEstimate, DependsOnWhatIsAsked) {
  MemoryUse use;
  use.batch_size = 16;
  const auto training = estimate(small(), use);
  use.training = false;
  const auto inference = estimate(small(), use);
  EXPECT_EQ(inference.gradients + inference.optimizer + inference.kept_state, 0);
  EXPECT_EQ(2 * inference.working_set, training.working_set);

  use.training = true;
  auto settings = small();
  settings.neuron.detach_reset = false;  // a code of 8 bits beside each bit
  EXPECT_EQ(8 * estimate(settings, use).kept_state, 8 * training.kept_state / 2 * 10);
  settings.neuron.surrogate = kernels::Surrogate::kArctan;  // 16 bits, and no bit beside them
  EXPECT_EQ(8 * estimate(settings, use).kept_state, 8 * training.kept_state / 2 * 17);
  settings.compute.state = StateMode::kExact;
  EXPECT_EQ(2 * estimate(settings, use).kept_state, 33 * training.kept_state) << "floats instead of a bit";
  settings = small();
  settings.compute.precision = Precision::kBf16;
  EXPECT_EQ(2 * estimate(settings, use).parameters, 3 * training.parameters);
  settings = small();
  settings.compute.working_set_mb = 0.2;
  EXPECT_LT(estimate(settings, use).working_set, training.working_set / 4);
  use.static_input = false;
  use.loader_batches = 1;
  EXPECT_EQ(estimate(small(), use).inputs, 8 * 16 * 4 * 28 * 28);
}

TEST(MemoryEstimate, CountsCurrentsOfNormalisedLayers) {
  MemoryUse use;
  use.batch_size = 16;
  auto settings = small();
  const auto plain = estimate(settings, use);
  settings.norm.kind = NormKind::kTdbn;
  auto memory = estimate(settings, use);
  const std::int64_t currents = 8 * 16 * (4 * 28 * 28 + 10);  // steps x samples x neurons
  EXPECT_EQ(memory.kept_state, plain.kept_state + 4 * currents);
  // Scale and shift instead of a bias, and running statistics without gradients.
  EXPECT_EQ(memory.parameters, plain.parameters + 4 * (4 + 10) + 4 * 2 * (4 + 10));
  EXPECT_EQ(memory.gradients, plain.gradients + 4 * (4 + 10));
  EXPECT_EQ(memory.certain, plain.certain + 2 * 4 * (4 + 10));
  settings.compute.precision = Precision::kBf16;
  EXPECT_EQ(estimate(settings, use).kept_state, plain.kept_state + 2 * currents);
  settings.compute.state = StateMode::kExact;
  EXPECT_EQ(estimate(settings, use).kept_state,
            2 * (8 * 33 * (4 * 28 * 28 + 10 + 100) + 8 * 8 * 4 * (4 * 28 * 28 + 10)));
  use.training = false;
  EXPECT_EQ(estimate(settings, use).kept_state, 0);
}

TEST(MemoryEstimate, CountsNeuronsWhereThereAreSome) {
  MemoryUse use;
  auto settings = small();
  settings.structure = "4C3-[6C3S2]-Readout";
  EXPECT_EQ(estimate(settings, use).kept_state, 8 * (4 * 28 * 28 + 6 * 14 * 14) * 2 / 8)
      << "neither the projection nor the readout has any";
  settings.structure = "4C3-{6C3S2}-Readout";
  EXPECT_EQ(estimate(settings, use).kept_state, 8 * (4 * 28 * 28 + 2 * 6 * 14 * 14) * 2 / 8);
  settings.compute.state = StateMode::kExact;
  EXPECT_EQ(estimate(settings, use).kept_state, 33 * (4 * 28 * 28 + 2 * 6 * 14 * 14));
  settings.neuron_kind = NeuronKind::kCubaLif;
  EXPECT_EQ(estimate(settings, use).kept_state, 33 * (4 * 28 * 28 + 2 * 6 * 14 * 14))
      << "no gradient reads the synaptic current";
  settings = small();
  settings.structure = "4C3-MP2-Readout";
  EXPECT_EQ(estimate(settings, use).kept_state, 8 * 4 * 28 * 28 * 2 / 8) << "pools are computed again";
  settings.compute.state = StateMode::kExact;
  EXPECT_EQ(estimate(settings, use).kept_state, 33 * (4 * 28 * 28));
}

TEST(MemoryEstimate, CountsCurrentsThatWaitForTheirBlock) {
  MemoryUse use;
  use.training = false;
  auto settings = small();
  const auto working = [&](const std::string& structure) {
    settings.structure = structure;
    return estimate(settings, use).working_set;
  };
  const std::int64_t map = 8 * 4 * 28 * 28;
  EXPECT_EQ(working("4C3-4C3-4C3-Readout"), 4 * 2 * map);
  EXPECT_EQ(working("4C3-[4C3-4C3]-Readout"), 4 * 3 * map)
      << "what comes in, what goes out, and what is added";
  EXPECT_EQ(working("4C3-[4C3]-Readout"), 4 * 3 * map) << "until it has been added";
  EXPECT_EQ(working("4C3-{4C3-4C3}-Readout"), 4 * 2 * map) << "spikes wait as bits";
}

TEST(MemoryEstimate, OfAHugeNetworkDoesNotOverflow) {
  auto settings = small();
  settings.structure = "65536FC-65536FC-Voting";
  settings.num_steps = 4096;
  MemoryUse use;
  use.batch_size = std::int64_t{1} << 31;
  use.moments = 2;
  const auto memory = estimate(settings, use);
  EXPECT_GT(memory.certain, std::int64_t{16} * 65536 * 65536);
  EXPECT_GT(memory.kept_state, std::int64_t{1} << 50);
  EXPECT_GT(memory.total(), memory.certain);
}

}  // namespace
}  // namespace memory_estimate_test
}  // namespace spikeloom::model
