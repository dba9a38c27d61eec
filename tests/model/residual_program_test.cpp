// Programs of the layers beside the paper's: residual blocks, max pooling, normalisation, recurrence,
// readout.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "spikeloom/model/program.h"

namespace spikeloom::model {
namespace residual_program_test {
namespace {

NetworkSettings settings_of(const std::string& structure) {
  NetworkSettings settings;
  settings.structure = structure;
  settings.num_steps = 4;
  settings.voting.neurons_per_class = 2;
  return settings;
}

Program program_of(const NetworkSettings& settings, const Shape& input = {2, 16, 16}, int classes = 3) {
  const NetworkPlan plan = plan_network(settings, input, classes);
  Program program = make_program(plan, settings, 1);
  std::int64_t trained = 0;
  for (const Slot& slot : program.slots) trained += slot.trained ? slot.size : 0;
  EXPECT_EQ(program.parameters, trained);
  EXPECT_EQ(program.parameters, plan.parameters()) << "nothing is learnt that a plan does not count";
  return program;
}

Program program_of(const std::string& structure) { return program_of(settings_of(structure)); }

const Stage& stage_of(const Program& program, const std::string& name) {
  for (const Stage& stage : program.stages) {
    if (stage.name == name) return stage;
  }
  ADD_FAILURE() << "no stage " << name;
  return program.stages.front();
}

std::vector<std::string> slot_names(const Program& program) {
  std::vector<std::string> names;
  for (const Slot& slot : program.slots) names.push_back(slot.name);
  return names;
}

TEST(ResidualProgram, SewBlocksAreEdgesOfWhatFollows) {
  EXPECT_EQ(to_string(program_of("8C3(Encoding)-{8C3-8C3}*2-{12C3S2-12C3}-MP2-16FC-Voting")),
            "conv1  <- input  8C3 8x16x16  LIF\n"
            "conv2  <- conv1  8C3 8x16x16  LIF\n"
            "conv3  <- conv2  8C3 8x16x16  LIF\n"
            "conv4  <- conv1 + conv3  8C3 8x16x16  LIF\n"
            "conv5  <- conv4  8C3 8x16x16  LIF\n"
            "conv6  <- conv1 + conv3 + conv5  12C3S2 12x8x8  LIF\n"
            "conv7_shortcut  <- conv1 + conv3 + conv5  12C1S2 12x8x8  LIF\n"
            "conv7  <- conv6  12C3 12x8x8  LIF\n"
            "fc1  <- conv7_shortcut MP2 + conv7 MP2  16FC 16x1x1  LIF\n"
            "voting  <- fc1  6FC 6x1x1  LIF\n");
}

TEST(ResidualProgram, MsBlocksAreShortcutsOfTheirLastStage) {
  const Program program = program_of("8C3(Encoding)-[8C3-8C3]-[12C3S2-12C3]-GAP-Readout");
  EXPECT_EQ(to_string(program),
            "conv1  <- input  8C3 8x16x16  LIF\n"
            "conv2  <- conv1  8C3 8x16x16  LIF\n"
            "conv3  <- conv2  8C3 8x16x16  + conv1  LIF\n"
            "conv4  <- conv3  12C3S2 12x8x8  LIF\n"
            "conv5_shortcut  <- conv3  12C1S2 12x8x8\n"
            "conv5  <- conv4  12C3 12x8x8  + conv5_shortcut  LIF\n"
            "readout  <- conv5 AP8  3FC 3x1x1  mean\n");
  EXPECT_EQ(stage_of(program, "conv3").shortcuts, std::vector<int>{0});
  EXPECT_EQ(stage_of(program, "conv5").shortcuts, std::vector<int>{4});
  EXPECT_EQ(stage_of(program, "conv5_shortcut").neuron.kind, Neuron::kNone);
  EXPECT_FALSE(stage_of(program, "conv5_shortcut").neuron.fires());
}

// The engine runs stages in order: whatever a stage needs has been computed.
TEST(ResidualProgram, StagesReadEarlierOnesOnly) {
  for (const char* structure : {"8C3-{8C3-AP2-12C3}*2-[12C3S2-8C3]-[8C3-8C3]-MP2-{8C3}-16RFC-Voting",
                                "8C3-[MP2-8C3-8C3]*2-{8C3}-GAP-Readout"}) {
    const Program program = program_of(structure);
    for (const Stage& stage : program.stages) {
      EXPECT_FALSE(stage.inputs.empty()) << stage.name;
      for (const Edge& edge : stage.inputs) {
        EXPECT_LT(edge.stage, stage.number) << stage.name;
        if (edge.stage == kInput) continue;
        const Stage& from = program.stages[static_cast<std::size_t>(edge.stage)];
        EXPECT_TRUE(from.neuron.fires()) << stage.name << " reads " << from.name;
        const Shape& output = from.product.output;
        const Shape pooled{output.channels, output.height / edge.pool.factor,
                           output.width / edge.pool.factor};
        EXPECT_EQ(pooled.size(), stage.product.input.size()) << stage.name << " reads " << from.name;
      }
      for (const int shortcut : stage.shortcuts) {
        EXPECT_LT(shortcut, stage.number);
        EXPECT_EQ(program.stages[static_cast<std::size_t>(shortcut)].product.output, stage.product.output);
      }
    }
  }
}

TEST(ResidualProgram, MaxPoolingIsSaid) {
  const Program program = program_of("8C3-MP2-MP2-8C3-Voting");
  EXPECT_EQ(program.stages[1].inputs[0].pool, (Pool{Pool::kMax, 4}));
  EXPECT_TRUE(program.stages[1].reads_spikes());
}

TEST(ResidualProgram, NormalisationHasItsSlots) {
  NetworkSettings settings = settings_of("8C3-[12C3S2]-16FC-Voting");
  settings.norm.kind = NormKind::kTdbn;
  settings.norm.alpha = 0.5;
  settings.norm.momentum = 0.2;
  settings.norm.epsilon = 1e-3;
  settings.neuron.v_threshold = 0.5;
  const Program program = program_of(settings);
  EXPECT_EQ(slot_names(program), (std::vector<std::string>{"conv1.weight",
                                                           "conv1.norm_scale",
                                                           "conv1.norm_shift",
                                                           "conv1.norm_mean",
                                                           "conv1.norm_variance",
                                                           "conv2_shortcut.weight",
                                                           "conv2_shortcut.norm_scale",
                                                           "conv2_shortcut.norm_shift",
                                                           "conv2_shortcut.norm_mean",
                                                           "conv2_shortcut.norm_variance",
                                                           "conv2.weight",
                                                           "conv2.norm_scale",
                                                           "conv2.norm_shift",
                                                           "conv2.norm_mean",
                                                           "conv2.norm_variance",
                                                           "fc1.weight",
                                                           "fc1.norm_scale",
                                                           "fc1.norm_shift",
                                                           "fc1.norm_mean",
                                                           "fc1.norm_variance",
                                                           "voting.weight",
                                                           "voting.bias"}));
  const Norm& norm = stage_of(program, "conv2").norm;
  EXPECT_EQ(norm.kind, Norm::kTdbn);
  EXPECT_EQ(norm.factor, 0.25);
  EXPECT_EQ(norm.momentum, 0.2);
  EXPECT_EQ(norm.epsilon, 1e-3);
  EXPECT_EQ(norm.step_scale, kNoSlot);
  EXPECT_EQ(program.slot(norm.scale).name, "conv2.norm_scale");
  EXPECT_EQ(program.slot(norm.shift).name, "conv2.norm_shift");
  EXPECT_EQ(program.slot(norm.mean).name, "conv2.norm_mean");
  EXPECT_EQ(program.slot(norm.variance).name, "conv2.norm_variance");
  for (const int slot : {norm.scale, norm.shift, norm.mean, norm.variance}) {
    EXPECT_EQ(program.slot(slot).shape, std::vector<std::int64_t>{12});
    EXPECT_EQ(program.slot(slot).trained, slot == norm.scale || slot == norm.shift);
    EXPECT_EQ(program.slot(slot).role, program.slot(slot).trained ? Role::kNorm : Role::kStatistics);
    EXPECT_FALSE(program.slot(slot).is_bias);
  }
  EXPECT_EQ(stage_of(program, "voting").norm.kind, Norm::kNone);
  EXPECT_EQ(stage_of(program, "fc1").product.bias, kNoSlot);
  EXPECT_NE(stage_of(program, "voting").product.bias, kNoSlot);
  EXPECT_NE(to_string(program).find("conv2  <- conv1  12C3S2 12x8x8  tdBN  + conv2_shortcut  LIF\n"),
            std::string::npos)
      << to_string(program);
}

TEST(ResidualProgram, TebnHasAFactorForEachStepAndNoneOfTheThreshold) {
  NetworkSettings settings = settings_of("8C3-Voting");
  settings.norm.kind = NormKind::kTebn;
  settings.norm.alpha = 0.5;
  Program program = program_of(settings);
  const Norm& norm = program.stages[0].norm;
  EXPECT_EQ(norm.kind, Norm::kTebn);
  EXPECT_EQ(norm.factor, 1.0);
  EXPECT_EQ(program.slot(norm.step_scale).name, "conv1.norm_step_scale");
  EXPECT_EQ(program.slot(norm.step_scale).shape, std::vector<std::int64_t>{4});
  EXPECT_EQ(program.slot(norm.step_scale).role, Role::kNorm);
  EXPECT_TRUE(program.slot(norm.step_scale).trained);
  settings.norm.kind = NormKind::kTdbn;
  settings.kind = NetworkKind::kAnn;
  program = program_of(settings);
  EXPECT_EQ(program.stages[0].norm.factor, 1.0) << "an artificial neuron has no threshold";
  settings.norm.kind = NormKind::kNone;
  EXPECT_EQ(program_of(settings).stages[0].norm.kind, Norm::kNone);
}

TEST(ResidualProgram, BuffersLieBehindEverythingThatIsTrained) {
  NetworkSettings settings = settings_of("8C3-{12C3}-16RFC-Readout");
  settings.norm.kind = NormKind::kTebn;
  const Program program = program_of(settings);
  std::vector<const Slot*> slots;
  for (const Slot& slot : program.slots) slots.push_back(&slot);
  std::sort(slots.begin(), slots.end(), [](const Slot* a, const Slot* b) { return a->offset < b->offset; });
  std::int64_t end = 0;
  for (const Slot* slot : slots) {
    EXPECT_EQ(slot->offset % kSlotAlignment, 0);
    EXPECT_GE(slot->offset, end) << slot->name;
    end = slot->offset + slot->size;
    EXPECT_EQ(end <= program.trained_size, slot->trained) << slot->name;
    EXPECT_EQ(slot->offset < program.trained_size, slot->trained) << slot->name;
  }
  EXPECT_GE(program.flat_size, end);
  EXPECT_LT(program.trained_size, program.flat_size);
  const Program plain = program_of("8C3-Voting");
  EXPECT_EQ(plain.trained_size, plain.flat_size);
}

TEST(ResidualProgram, RecurrentStageHasWeightsOfItsOwn) {
  const Program program = program_of(settings_of("16RFC-8RFC-Readout"), {700, 1, 1}, 20);
  EXPECT_EQ(
      slot_names(program),
      (std::vector<std::string>{"rfc1.weight", "rfc1.recurrent_weight", "rfc1.bias", "rfc2.weight",
                                "rfc2.recurrent_weight", "rfc2.bias", "readout.weight", "readout.bias"}));
  const Slot& weight = program.slot(program.stages[0].recurrent);
  EXPECT_EQ(weight.name, "rfc1.recurrent_weight");
  EXPECT_EQ(weight.shape, (std::vector<std::int64_t>{16, 16}));
  EXPECT_EQ(weight.role, Role::kFullyConnected);
  EXPECT_EQ(program.stages[2].recurrent, kNoSlot);
  EXPECT_FALSE(program.stages[0].product.is_convolution());
  EXPECT_EQ(to_string(program),
            "rfc1  <- input  16FC 16x1x1  recurrent  LIF\n"
            "rfc2  <- rfc1  8FC 8x1x1  recurrent  LIF\n"
            "readout  <- rfc2  20FC 20x1x1  mean\n");
}

TEST(ResidualProgram, ReadoutVotesForItsOwnClass) {
  for (const auto kind : {NetworkKind::kSpiking, NetworkKind::kAnn}) {
    NetworkSettings settings = settings_of("8FC-Readout");
    settings.kind = kind;
    settings.voting.assignment = VotingAssignment::kRandom;
    settings.learn_v_threshold = kind == NetworkKind::kSpiking;
    const Program program = make_program(plan_network(settings, {4, 1, 1}, 5), settings, 1);
    EXPECT_EQ(program.class_of, (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
    EXPECT_EQ(program.find_slot("readout.v_threshold"), kNoSlot) << "it has no neurons";
    EXPECT_EQ(program.stages[1].neuron.kind,
              kind == NetworkKind::kSpiking ? Neuron::kReadout : Neuron::kLinear);
    EXPECT_FALSE(program.stages[1].neuron.fires());
  }
}

TEST(ResidualProgram, NeuronsAreWhatTheSettingsSay) {
  NetworkSettings settings = settings_of("8C3-[12C3]-Voting");
  settings.neuron.decay = 0.4;
  settings.neuron.current_decay = 0.3;
  settings.neuron.v_reset = -0.1;
  kernels::NeuronParams params = program_of(settings).stages[0].neuron.params;
  EXPECT_EQ(params.decay, 0.4);
  EXPECT_EQ(params.current_decay, 0.0) << "of a current-based neuron only";
  EXPECT_EQ(params.v_reset, -0.1);
  EXPECT_FALSE(params.learnable);
  settings.neuron_kind = NeuronKind::kIf;
  params = program_of(settings).stages[0].neuron.params;
  EXPECT_EQ(params.decay, 1.0);
  EXPECT_EQ(params.current_decay, 0.0);
  settings.neuron_kind = NeuronKind::kCubaLif;
  params = program_of(settings).stages[0].neuron.params;
  EXPECT_EQ(params.decay, 0.4);
  EXPECT_EQ(params.current_decay, 0.3);
  settings.learn_decay = true;
  const Program program = make_program(plan_network(settings, {2, 16, 16}, 3), settings, 1);
  EXPECT_TRUE(program.stages[0].neuron.params.learnable);
  EXPECT_EQ(program.find_slot("conv2_shortcut.decay"), kNoSlot) << "a current has no neurons";
  EXPECT_NE(program.find_slot("conv2.decay"), kNoSlot);
}

// A member called kNone in an enumeration must not stand for "no slot".
TEST(ResidualProgram, NothingIsASlotByDefault) {
  const Norm norm;
  for (const int slot : {norm.scale, norm.shift, norm.mean, norm.variance, norm.step_scale})
    EXPECT_EQ(slot, -1);
  EXPECT_EQ(Neuron().decay, -1);
  EXPECT_EQ(Neuron().v_threshold, -1);
  EXPECT_EQ(Stage().recurrent, -1);
  EXPECT_EQ(norm.kind, Norm::kNone);
}

}  // namespace
}  // namespace residual_program_test
}  // namespace spikeloom::model
