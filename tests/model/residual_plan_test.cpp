// Plans of networks with residual blocks: what is added, where projections are, and what they count.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spikeloom/model/plan.h"

namespace spikeloom::model {
namespace residual_plan_test {
namespace {

const std::string kSewResNet18 =
    "64C3(Encoding)-{64C3-64C3}*2-{128C3S2-128C3}-{128C3-128C3}-{256C3S2-256C3}-{256C3-256C3}-{512C3S2-512C3}"
    "-"
    "{512C3-512C3}-GAP-Voting";
const std::string kMsResNet18 =
    "64C3(Encoding)-[64C3-64C3]*2-[128C3S2-128C3]-[128C3-128C3]-[256C3S2-256C3]-[256C3-256C3]-[512C3S2-512C3]"
    "-"
    "[512C3-512C3]-GAP-Voting";
const std::string kResNet9 =
    "64C3(Encoding)-128C3-MP2-{128C3-128C3}-256C3-MP2-512C3-MP2-{512C3-512C3}-MP4-Voting";

NetworkSettings settings_of(const std::string& structure) {
  NetworkSettings settings;
  settings.structure = structure;
  return settings;
}

NetworkPlan plan_of(const std::string& structure, const Shape& input = {3, 32, 32}) {
  return plan_network(settings_of(structure), input, 10);
}

const LayerPlan& layer_of(const NetworkPlan& plan, const std::string& name) {
  for (const LayerPlan& layer : plan.layers) {
    if (layer.name == name) return layer;
  }
  ADD_FAILURE() << "no layer " << name;
  return plan.layers.front();
}

std::string sources_of(const NetworkPlan& plan, const std::string& name) {
  return sources_text(plan, layer_of(plan, name));
}

std::string shortcut_of(const NetworkPlan& plan, const std::string& name) {
  const LayerPlan& layer = layer_of(plan, name);
  if (layer.shortcuts.empty()) return "";
  EXPECT_EQ(layer.shortcuts.size(), 1u);
  return plan.layers[static_cast<std::size_t>(layer.shortcuts[0])].name;
}

std::string refusal(const NetworkSettings& settings, const Shape& input = {3, 32, 32}) {
  try {
    plan_network(settings, input, 10);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string refusal(const std::string& structure, const Shape& input = {3, 32, 32}) {
  return refusal(settings_of(structure), input);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> names_of(const NetworkPlan& plan) {
  std::vector<std::string> names;
  for (const LayerPlan& layer : plan.layers) names.push_back(layer.name);
  return names;
}

// 3x3 weights: 27 * 64, 4 of 9 * 64^2, then 9 * (C/2 * C + 3 * C^2) and C/2 * C of the projection for C =
// 128, 256, 512; voting 512 * 100. Positions: 32^2, 16^2, 8^2, 4^2.
TEST(ResidualPlan, ResNet18HasItsSize) {
  constexpr std::int64_t kWeights =
      1728 + 147456 + (73728 + 442368 + 8192) + (294912 + 1769472 + 32768) + (1179648 + 7077888 + 131072);
  static_assert(kWeights == 11159232);
  for (const std::string& structure : {kSewResNet18, kMsResNet18}) {
    NetworkSettings settings = settings_of(structure);
    NetworkPlan plan = plan_network(settings, {3, 32, 32}, 10);
    EXPECT_EQ(plan.parameters(), kWeights + 5 * (64 + 128 + 256 + 512) + 51300) << structure;
    EXPECT_EQ(plan.macs_per_step(), 1769472 + 150994944 + 3 * 134217728 + 51200) << structure;
    // With one output a class that is the count of the artificial ResNet-18 for CIFAR with batch
    // normalisation.
    settings.norm.kind = NormKind::kTdbn;
    settings.structure.replace(settings.structure.find("Voting"), 6, "Readout");
    plan = plan_network(settings, {3, 32, 32}, 10);
    EXPECT_EQ(plan.parameters(), 11173962) << structure;
    int convolutions = 0;
    for (const LayerPlan& layer : plan.layers) convolutions += layer.normalised ? 1 : 0;
    EXPECT_EQ(convolutions, 17 + 3) << structure;
  }
}

TEST(ResidualPlan, SewResNet18LayerByLayer) {
  const NetworkPlan plan = plan_of(kSewResNet18);
  const std::vector<std::string> names = {"conv1",  "conv2",           "conv3",  "conv4",  "conv5",
                                          "conv6",  "conv7_shortcut",  "conv7",  "conv8",  "conv9",
                                          "conv10", "conv11_shortcut", "conv11", "conv12", "conv13",
                                          "conv14", "conv15_shortcut", "conv15", "conv16", "conv17",
                                          "pool1",  "voting"};
  EXPECT_EQ(names_of(plan), names);
  EXPECT_EQ(sources_of(plan, "conv2"), "conv1");
  EXPECT_EQ(sources_of(plan, "conv3"), "conv2");
  EXPECT_EQ(sources_of(plan, "conv4"), "conv1 + conv3");
  EXPECT_EQ(sources_of(plan, "conv6"), "conv1 + conv3 + conv5");
  EXPECT_EQ(sources_of(plan, "conv7_shortcut"), "conv1 + conv3 + conv5");
  EXPECT_EQ(sources_of(plan, "conv7"), "conv6");
  EXPECT_EQ(sources_of(plan, "conv8"), "conv7_shortcut + conv7");
  EXPECT_EQ(sources_of(plan, "conv10"), "conv7_shortcut + conv7 + conv9");
  EXPECT_EQ(sources_of(plan, "voting"), "conv15_shortcut AP4 + conv15 AP4 + conv17 AP4");
  EXPECT_EQ(sources_of(plan, "pool1"), "");
  const LayerPlan& projection = layer_of(plan, "conv7_shortcut");
  EXPECT_TRUE(projection.is_shortcut && projection.has_neurons);
  EXPECT_EQ(to_string(projection.spec), "128C1S2");
  EXPECT_EQ(projection.input, (Shape{64, 32, 32}));
  EXPECT_EQ(projection.output, (Shape{128, 16, 16}));
  EXPECT_EQ(projection.parameters, 64 * 128 + 128);
  EXPECT_EQ(projection.macs_per_step, 64 * 128 * 256);
  for (const LayerPlan& layer : plan.layers) EXPECT_TRUE(layer.shortcuts.empty()) << layer.name;
  EXPECT_EQ(layer_of(plan, "voting").input, (Shape{512, 1, 1}));
}

TEST(ResidualPlan, MsResNet18LayerByLayer) {
  const NetworkPlan plan = plan_of(kMsResNet18);
  EXPECT_EQ(shortcut_of(plan, "conv2"), "");
  EXPECT_EQ(shortcut_of(plan, "conv3"), "conv1");
  EXPECT_EQ(shortcut_of(plan, "conv5"), "conv3");
  EXPECT_EQ(shortcut_of(plan, "conv7"), "conv7_shortcut");
  EXPECT_EQ(shortcut_of(plan, "conv9"), "conv7");
  EXPECT_EQ(shortcut_of(plan, "conv17"), "conv15");
  EXPECT_EQ(sources_of(plan, "conv4"), "conv3");
  EXPECT_EQ(sources_of(plan, "conv7_shortcut"), "conv5");
  EXPECT_EQ(sources_of(plan, "voting"), "conv17 AP4");
  EXPECT_FALSE(layer_of(plan, "conv7_shortcut").has_neurons);
  EXPECT_TRUE(layer_of(plan, "conv7").has_neurons);
}

TEST(ResidualPlan, ResNet9HasItsSize) {
  const NetworkPlan plan = plan_of(kResNet9);
  EXPECT_EQ(plan.parameters(), 1728 + 73728 + 2 * 147456 + 294912 + 1179648 + 2 * 2359296 + 2240 + 51300);
  EXPECT_EQ(plan.macs_per_step(), 1769472 + 5 * 75497472 + 51200);
  EXPECT_EQ(sources_of(plan, "conv3"), "conv2 MP2");
  EXPECT_EQ(sources_of(plan, "conv5"), "conv2 MP2 + conv4");
  EXPECT_EQ(sources_of(plan, "conv7"), "conv6 MP2");
  EXPECT_EQ(sources_of(plan, "voting"), "conv6 MP8 + conv8 MP4") << "pools of one way are one";
  for (const LayerPlan& layer : plan.layers) EXPECT_FALSE(layer.is_shortcut) << layer.name;
}

TEST(ResidualPlan, ProjectionMirrorsThePoolsAndStridesOfItsBlock) {
  NetworkPlan plan = plan_of("8C3-{12C3S2-AP2-12C3-AP2}-Voting");
  const LayerPlan& spikes = layer_of(plan, "conv3_shortcut");
  EXPECT_EQ(spikes.input, (Shape{8, 8, 8})) << "pooled by 4 before the convolution";
  EXPECT_EQ(to_string(spikes.spec), "12C1S2");
  EXPECT_EQ(spikes.output, (Shape{12, 4, 4}));
  EXPECT_EQ(spikes.macs_per_step, 8 * 12 * 16);
  EXPECT_EQ(sources_of(plan, "conv3_shortcut"), "conv1 AP4");
  EXPECT_EQ(sources_of(plan, "conv2"), "conv1");
  EXPECT_EQ(sources_of(plan, "conv3"), "conv2 AP2");
  EXPECT_EQ(sources_of(plan, "voting"), "conv3_shortcut + conv3 AP2");

  plan = plan_of("8C3-MP2-[MP2-8C3-8C3]-{GAP-8C1}-Voting");
  EXPECT_EQ(sources_of(plan, "conv3_shortcut"), "conv1 MP4");
  EXPECT_EQ(shortcut_of(plan, "conv3"), "conv3_shortcut");
  EXPECT_EQ(sources_of(plan, "conv4_shortcut"), "conv3 AP8");
  EXPECT_EQ(sources_of(plan, "voting"), "conv4_shortcut + conv4");
}

TEST(ResidualPlan, CurrentsAreAddedAsTheyAreOnlyWhereTheyFit) {
  // The current has the size from before the pool, and a SEW block has no current of its own.
  NetworkPlan plan = plan_of("8C3-MP2-[8C3-8C3]-[8C3]-Voting");
  EXPECT_EQ(shortcut_of(plan, "conv3"), "conv3_shortcut");
  EXPECT_EQ(sources_of(plan, "conv3_shortcut"), "conv1 MP2");
  EXPECT_EQ(shortcut_of(plan, "conv4"), "conv3");
  plan = plan_of("8C3-{8C3}-[8C3-8C3]-{8C3}-Voting");
  EXPECT_EQ(shortcut_of(plan, "conv4"), "conv4_shortcut");
  EXPECT_EQ(sources_of(plan, "conv4_shortcut"), "conv1 + conv2");
  EXPECT_EQ(sources_of(plan, "voting"), "conv4 + conv5") << "a SEW block behind an MS block adds its spikes";
  // One position: a stride changes nothing.
  plan = plan_of("8C3-GAP-{8C3S2-8C3}-Voting");
  EXPECT_EQ(sources_of(plan, "voting"), "conv1 AP32 + conv3");
}

TEST(ResidualPlan, ShapesThatNoProjectionBridgesAreRefused) {
  const std::string unpadded = refusal("8C3-{8C3P0-8C3}-Voting");
  EXPECT_TRUE(has(unpadded, "conv3_shortcut: the block makes 8x30x30 of 8x32x32")) << unpadded;
  EXPECT_TRUE(has(unpadded, "stride 1 makes 8x32x32")) << unpadded;
  // ceil(6 / 2) / 2 is 1 and ceil(6 / 2 / 2) is 2.
  const std::string odd = refusal("8C3-{8C3S2-AP2-8C3}-Voting", {1, 6, 6});
  EXPECT_TRUE(
      has(odd, "the block makes 8x1x1 of 8x6x6, and a shortcut with a pool of 2 and stride 2 makes 8x2x2"))
      << odd;
  EXPECT_EQ(refusal("8C3-{8C3S2-AP2-8C3}-Voting", {1, 8, 8}), "");
  EXPECT_TRUE(has(refusal("8C3-{8C65P64-AP40}-Voting"), "a pool of 40 and stride 1 makes 8x0x0"));
}

TEST(ResidualPlan, PoolsOfTwoKindsOnOneWayAreRefused) {
  const std::string after = refusal("8C3-MP2-{8C3-8C3}-GAP-Voting");
  EXPECT_TRUE(has(after, "pool2: spikes would go through MP2 and then AP16")) << after;
  const std::string before = refusal("8C3-MP2-{8C3-AP2-16C3}-Voting");
  EXPECT_TRUE(has(before, "conv3_shortcut: spikes would go through MP2 and then AP2")) << before;
  EXPECT_EQ(refusal("8C3-MP2-{16C3-16C3}-GAP-Voting"), "") << "a projection lies between";
}

TEST(ResidualPlan, NeuNormAndBlocksAreRefused) {
  NetworkSettings settings = settings_of("8C3-{8C3}-Voting");
  settings.neunorm.enabled = true;
  EXPECT_TRUE(has(refusal(settings), "NeuNorm and residual blocks"));
}

TEST(ResidualPlan, DropoutIsNotBeforeProjections) {
  NetworkSettings settings = settings_of("8C3-{16C3-16C3}-Readout");
  settings.dropout.rate = 0.5;
  std::vector<std::string> dropped;
  for (const LayerPlan& layer : plan_network(settings, {3, 8, 8}, 10).layers) {
    if (layer.dropout_before) dropped.push_back(layer.name);
  }
  EXPECT_EQ(dropped, (std::vector<std::string>{"conv2", "conv3"}));
}

TEST(ResidualPlan, SumsOfVeryManySpikesAreRefused) {
  EXPECT_EQ(layer_of(plan_of("1C1-{1C1}*255-Voting", {1, 1, 1}), "voting").sources.size(), kMaxSources);
  EXPECT_TRUE(has(refusal("1C1-{1C1}*256-Voting", {1, 1, 1}), "more than 256 sets of spikes"));
  EXPECT_TRUE(has(refusal("1C1-{1C1}*4094-Voting", {1, 1, 1}), "conv257: more than 256"));
  EXPECT_EQ(plan_of("1C1-[1C1]*4094-Voting", {1, 1, 1}).layers.size(), 4096u);
  EXPECT_EQ(refusal("1C1-{1C1}*255-1C1-{1C1}*255-Voting", {1, 1, 1}), "");
}

TEST(ResidualPlan, FactorsBeyondAnyMapDoNotOverflow) {
  std::string block = "{4C3S65536";
  for (int i = 0; i < 8; ++i) block += "-4C3S65536";
  const NetworkPlan plan = plan_of("4C3-" + block + "}-Voting", {1, 2, 2});
  EXPECT_EQ(layer_of(plan, "conv10_shortcut").output, (Shape{4, 1, 1}));
  // Each convolution pads what the pool behind it takes away.
  std::string pools = "{4C2049P2048-AP1024";
  for (int i = 0; i < 3; ++i) pools += "-4C2049P2048-AP1024";
  EXPECT_TRUE(has(refusal("4C3-" + pools + "}-Voting", {1, 32, 32}), "makes 4x0x0"));
}

}  // namespace
}  // namespace residual_plan_test
}  // namespace spikeloom::model
