#include "spikeloom/model/current_range.h"

#include <gtest/gtest.h>

#include <limits>

#include "spikeloom/base/errors.h"

namespace spikeloom::model {
namespace current_range_test {
namespace {

Program program_of(NetworkSettings settings) {
  settings.num_steps = 4;
  settings.voting.neurons_per_class = 2;
  return make_program(plan_network(settings, {2, 16, 16}, 3), settings, 1);
}

std::vector<std::vector<float>> values_of(const Program& program, float weight) {
  std::vector<std::vector<float>> slots;
  for (const Slot& slot : program.slots) {
    const bool is_neuron = slot.role == Role::kNeuron;
    slots.emplace_back(static_cast<std::size_t>(slot.size), is_neuron ? 0.5f : weight);
  }
  return slots;
}

std::string refusal(const Program& program, const std::vector<std::vector<float>>& slots) {
  try {
    check_currents(program, slots);
  } catch (const NumericsError& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(CurrentRange, TheLayerWhoseCurrentsMayOverflowIsNamed) {
  NetworkSettings settings;
  settings.structure = "8C3(Encoding)-AP2-12C3-20RFC-Voting";
  settings.neunorm.enabled = true;
  settings.learn_decay = true;
  const Program program = program_of(settings);
  EXPECT_EQ(refusal(program, values_of(program, 50.0f)), "");
  for (const Slot& slot : program.slots) {
    auto slots = values_of(program, 0.5f);
    auto& own = slots[static_cast<std::size_t>(program.find_slot(slot.name))];
    own.back() = -1e30f;
    const std::string text = refusal(program, slots);
    const bool is_u = has(slot.name, "neunorm_u");  // it acts in the layer that comes next
    const std::string layer = slot.name.substr(0, slot.name.find('.'));
    EXPECT_TRUE(has(text, "layer " + (is_u ? "conv2" : layer))) << slot.name << ": " << text;
    own.back() = std::numeric_limits<float>::max();
    EXPECT_NE(refusal(program, slots), "") << slot.name;
  }
}

TEST(CurrentRange, NormalisationAndShortcutsCount) {
  NetworkSettings settings;
  settings.structure = "8C3(Encoding)-[8C3-8C3]-Voting";
  settings.norm.kind = NormKind::kTdbn;
  const Program program = program_of(settings);
  const auto sane = values_of(program, 0.5f);
  EXPECT_EQ(refusal(program, sane), "");
  int tried = 0;
  for (const char* part : {"norm_scale", "norm_shift", "norm_mean", "norm_variance"}) {
    for (std::size_t i = 0; i < program.slots.size(); ++i) {
      if (!has(program.slots[i].name, part)) continue;
      auto slots = sane;
      // A negative variance has no root: a factor that is no number.
      slots[i][0] = std::string(part) == "norm_variance" ? -1.0f : 1e30f;
      EXPECT_NE(refusal(program, slots), "") << program.slots[i].name;
      ++tried;
    }
  }
  EXPECT_GE(tried, 8);
}

TEST(CurrentRange, ArtificialNetworksAreNotAsked) {
  NetworkSettings settings;
  settings.structure = "8C3(Encoding)-12FC-Voting";
  settings.kind = NetworkKind::kAnn;
  const Program program = program_of(settings);
  EXPECT_EQ(refusal(program, values_of(program, 1e20f)), "");
}

}  // namespace
}  // namespace current_range_test
}  // namespace spikeloom::model
