#include "spikeloom/model/program.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace spikeloom::model {
namespace program_test {
namespace {

NetworkSettings settings_of(const std::string& structure) {
  NetworkSettings settings;
  settings.structure = structure;
  settings.num_steps = 4;
  settings.voting.neurons_per_class = 2;
  return settings;
}

Program program_of(const NetworkSettings& settings, Shape input = {2, 16, 16}, int classes = 3) {
  return make_program(plan_network(settings, input, classes), settings, 1);
}

TEST(Program, StagesAreFusedFromLayers) {
  const Program program = program_of(settings_of("8C3(Encoding)-AP2-12C3S2-AP2-AP2-20FC-Voting"));
  ASSERT_EQ(program.stages.size(), 4u);
  EXPECT_TRUE(program.stages[0].reads_input());
  EXPECT_EQ(program.stages[1].inputs[0].stage, 0);
  EXPECT_EQ(program.stages[1].inputs[0].pool, (Pool{Pool::kAverage, 2}));
  EXPECT_EQ(program.stages[2].inputs[0].pool, (Pool{Pool::kAverage, 4})) << "two poolings in a row are one";
  EXPECT_EQ(program.stages[2].product.input, (Shape{12, 1, 1}));
  EXPECT_FALSE(program.stages[2].product.is_convolution());
  EXPECT_EQ(program.stages[3].name, "voting");
  EXPECT_EQ(to_string(program),
            "conv1  <- input  8C3 8x16x16  LIF\n"
            "conv2  <- conv1 AP2  12C3S2 12x4x4  LIF\n"
            "fc1  <- conv2 AP4  20FC 20x1x1  LIF\n"
            "voting  <- fc1  6FC 6x1x1  LIF\n");
}

TEST(Program, SlotsLieApartAndCountAsThePlanDoes) {
  NetworkSettings settings = settings_of("8C3(Encoding)-AP2-12C3-Voting");
  settings.neunorm.enabled = true;
  settings.learn_decay = true;
  const NetworkPlan plan = plan_network(settings, {2, 16, 16}, 3);
  const Program program = make_program(plan, settings, 1);
  std::vector<std::string> names;
  std::int64_t end = 0, parameters = 0;
  for (const Slot& slot : program.slots) {
    names.push_back(slot.name);
    EXPECT_EQ(slot.offset % kSlotAlignment, 0);
    EXPECT_GE(slot.offset, end) << slot.name;
    end = slot.offset + slot.size;
    parameters += slot.size;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"conv1.weight", "conv1.bias", "conv1.neunorm_u", "conv1.decay",
                                             "conv2.weight", "conv2.bias", "conv2.decay", "voting.weight",
                                             "voting.bias", "voting.decay"}));
  EXPECT_GE(program.flat_size, end);
  EXPECT_EQ(parameters, program.parameters);
  EXPECT_EQ(program.parameters, plan.parameters() + 3) << "a plan does not count learnable decays";
  EXPECT_EQ(program.slot(program.find_slot("conv1.neunorm_u")).shape, (std::vector<std::int64_t>{1, 16, 16}));
  EXPECT_EQ(program.find_slot("conv3.weight"), kNoSlot);
}

TEST(Program, NeuNormLiesBeforeOrAfterThePooling) {
  NetworkSettings settings = settings_of("8C3(Encoding)-AP2-12C3-Voting");
  settings.neunorm.enabled = true;
  const Edge before = program_of(settings).stages[1].inputs[0];
  EXPECT_NE(before.neunorm_u, kNoSlot);
  EXPECT_FALSE(before.neunorm_after_pool);
  settings.neunorm.after_pooling = true;
  settings.neunorm.per_channel_u = true;
  const Program program = program_of(settings);
  const Edge after = program.stages[1].inputs[0];
  EXPECT_TRUE(after.neunorm_after_pool);
  EXPECT_EQ(program.slot(after.neunorm_u).name, "pool1.neunorm_u");
  EXPECT_EQ(program.slot(after.neunorm_u).shape, (std::vector<std::int64_t>{8, 8, 8}));
}

TEST(Program, AnArtificialNetworkHasReluAndALinearReadout) {
  NetworkSettings settings = settings_of("8C3(Encoding)-12FC-Voting");
  settings.kind = NetworkKind::kAnn;
  const Program program = program_of(settings);
  EXPECT_FALSE(program.spiking);
  EXPECT_EQ(program.num_steps, 1);
  EXPECT_EQ(program.stages[0].neuron.kind, Neuron::kRelu);
  EXPECT_EQ(program.stages[2].neuron.kind, Neuron::kLinear);
}

TEST(Program, EveryClassHasAsManyVoters) {
  for (const auto assignment : {VotingAssignment::kBlocks, VotingAssignment::kRandom}) {
    NetworkSettings settings = settings_of("8C3(Encoding)-Voting");
    settings.voting.assignment = assignment;
    settings.voting.neurons_per_class = 5;
    const Program program = program_of(settings);
    ASSERT_EQ(program.class_of.size(), 15u);
    for (const int label : {0, 1, 2}) {
      EXPECT_EQ(std::count(program.class_of.begin(), program.class_of.end(), label), 5);
    }
    EXPECT_EQ(std::is_sorted(program.class_of.begin(), program.class_of.end()),
              assignment == VotingAssignment::kBlocks);
  }
}

TEST(Program, DropoutIsBeforeInnerStagesOnly) {
  NetworkSettings settings = settings_of("8C3(Encoding)-12C3-20FC-Voting");
  settings.dropout.rate = 0.3;
  const Program program = program_of(settings);
  EXPECT_EQ(program.stages[0].dropout, 0.0);
  EXPECT_EQ(program.stages[1].dropout, 0.3);
  EXPECT_EQ(program.stages[2].dropout, 0.3);
  EXPECT_EQ(program.stages[3].dropout, 0.0);
}

}  // namespace
}  // namespace program_test
}  // namespace spikeloom::model
