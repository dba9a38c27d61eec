#include "spikeloom/model/plan.h"

#include <gtest/gtest.h>

namespace spikeloom::model {
namespace plan_test {
namespace {

const char* const kCifarNet = "128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting";
const char* const kAlexNet = "96C3(Encoding)-256C3-AP2-384C3-AP2-384C3-256C3-1024FC-1024FC-Voting";
const char* const kNeuromorphicL = "128C3(Encoding)-128C3-AP2-384C3-384C3-AP2-1024FC-512FC-Voting";

NetworkSettings settings_of(const std::string& structure) {
  NetworkSettings settings;
  settings.structure = structure;
  return settings;
}

template <class Exception>
std::string message_of(const NetworkSettings& settings, const Shape& input, int num_classes = 10) {
  try {
    plan_network(settings, input, num_classes);
  } catch (const Exception& error) {
    return error.what();
  }
  return "";
}

struct PaperNetwork {
  const char* name;
  const char* structure;
  Shape input;
  double parameters_m;
  double gmacs;
  double parameters_unit;  // the last digit that is known
};

TEST(Plan, PaperNetworksHaveTheirSizes) {
  const PaperNetwork networks[] = {
      {"CIFARNet", kCifarNet, {3, 32, 32}, 45.05, 1.246, 0.01},
      {"AlexNet", kAlexNet, {3, 32, 32}, 21.3, 0.615, 0.1},
      {"neuromorphic L, N-MNIST", kNeuromorphicL, {2, 34, 34}, 27.7, 0.710, 0.1},
      {"neuromorphic L, DVS-CIFAR10", kNeuromorphicL, {2, 42, 42}, 41.8, 1.084, 0.1}};
  for (const PaperNetwork& network : networks) {
    const NetworkPlan plan = plan_network(settings_of(network.structure), network.input, 10);
    EXPECT_NEAR(static_cast<double>(plan.parameters()) / 1e6, network.parameters_m,
                network.parameters_unit / 2)
        << network.name;
    EXPECT_NEAR(static_cast<double>(plan.macs_per_step()) / 1e9, network.gmacs, 0.0005) << network.name;
  }
}

TEST(Plan, CifarNetLayerByLayer) {
  const NetworkPlan plan = plan_network(settings_of(kCifarNet), {3, 32, 32}, 10);
  struct Expected {
    const char* name;
    Shape input, output;
    std::int64_t parameters, macs;
  };
  const Expected expected[] = {{"conv1", {3, 32, 32}, {128, 32, 32}, 3456 + 128, 3538944},
                               {"conv2", {128, 32, 32}, {256, 32, 32}, 294912 + 256, 301989888},
                               {"pool1", {256, 32, 32}, {256, 16, 16}, 0, 0},
                               {"conv3", {256, 16, 16}, {512, 16, 16}, 1179648 + 512, 301989888},
                               {"pool2", {512, 16, 16}, {512, 8, 8}, 0, 0},
                               {"conv4", {512, 8, 8}, {1024, 8, 8}, 4718592 + 1024, 301989888},
                               {"conv5", {1024, 8, 8}, {512, 8, 8}, 4718592 + 512, 301989888},
                               {"fc1", {512, 8, 8}, {1024, 1, 1}, 33554432 + 1024, 33554432},
                               {"fc2", {1024, 1, 1}, {512, 1, 1}, 524288 + 512, 524288},
                               {"voting", {512, 1, 1}, {100, 1, 1}, 51200 + 100, 51200}};
  ASSERT_EQ(plan.layers.size(), std::size(expected));
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    EXPECT_EQ(layer.name, expected[i].name);
    EXPECT_EQ(layer.input, expected[i].input) << layer.name;
    EXPECT_EQ(layer.output, expected[i].output) << layer.name;
    EXPECT_EQ(layer.parameters, expected[i].parameters) << layer.name;
    EXPECT_EQ(layer.macs_per_step, expected[i].macs) << layer.name;
    EXPECT_FALSE(layer.neunorm_after) << layer.name;
    EXPECT_FALSE(layer.dropout_before) << layer.name;
  }
  EXPECT_EQ(plan.parameters(), 45049188);
  EXPECT_EQ(plan.input, (Shape{3, 32, 32}));
  EXPECT_EQ(plan.num_classes, 10);
}

TEST(Plan, BiasesAreParametersOnlyWhereTheNetworkHasThem) {
  NetworkSettings settings = settings_of(kCifarNet);
  settings.bias = false;
  EXPECT_EQ(plan_network(settings, {3, 32, 32}, 10).parameters(), 45045120);
}

TEST(Plan, StridePaddingAndOddPoolsFollowTheUsualArithmetic) {
  const NetworkPlan plan = plan_network(settings_of("4C5S2P1-AP2-3C3P0-Voting"), {2, 34, 21}, 3);
  EXPECT_EQ(plan.layers[0].output, (Shape{4, 16, 10}));  // floor((34 + 2 - 5) / 2) + 1
  EXPECT_EQ(plan.layers[1].output, (Shape{4, 8, 5}));
  EXPECT_EQ(plan.layers[2].output, (Shape{3, 6, 3}));
  EXPECT_EQ(plan.layers[3].output, (Shape{30, 1, 1}));
  EXPECT_EQ(plan.layers[0].macs_per_step, 4 * 16 * 10 * 2 * 25);
}

/// Pairs of an output and an input that it takes, one by one.
std::int64_t counted_synapses(const LayerPlan& layer) {
  std::int64_t inside = 0;
  const LayerSpec& spec = layer.spec;
  for (std::int64_t oy = 0; oy < layer.output.height; ++oy)
    for (std::int64_t ox = 0; ox < layer.output.width; ++ox)
      for (std::int64_t k = 0; k < std::int64_t{spec.kernel} * spec.kernel; ++k) {
        const std::int64_t y = oy * spec.stride - spec.padding + k / spec.kernel;
        const std::int64_t x = ox * spec.stride - spec.padding + k % spec.kernel;
        inside += y >= 0 && y < layer.input.height && x >= 0 && x < layer.input.width ? 1 : 0;
      }
  return inside * layer.input.channels * layer.output.channels;
}

TEST(Plan, SynapsesAreTheMacsWithoutPadding) {
  for (const char* structure : {"4C5S2P1-AP2-3C3P0-Voting", "4C3-5C1-3C7S3-Voting", "2C9P8-Voting"}) {
    const NetworkPlan plan = plan_network(settings_of(structure), {2, 34, 21}, 3);
    for (const LayerPlan& layer : plan.layers) {
      if (layer.spec.kind == LayerKind::kConvolution) {
        EXPECT_EQ(layer.synapses(), counted_synapses(layer)) << structure << " " << layer.name;
      } else {
        EXPECT_EQ(layer.synapses(), layer.macs_per_step) << structure << " " << layer.name;
      }
    }
  }
}

std::vector<std::string> names_where(const NetworkPlan& plan, bool LayerPlan::*flag) {
  std::vector<std::string> names;
  for (const LayerPlan& layer : plan.layers) {
    if (layer.*flag) names.push_back(layer.name);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(Plan, NeuNormFollowsConvolutionsBeforeConvolutions) {
  NetworkSettings settings = settings_of(kCifarNet);
  settings.neunorm.enabled = true;
  const NetworkPlan plan = plan_network(settings, {3, 32, 32}, 10);
  EXPECT_EQ(names_where(plan, &LayerPlan::neunorm_after), (Names{"conv1", "conv2", "conv3", "conv4"}));
  EXPECT_EQ(plan.parameters(), 45049188 + 1024 + 1024 + 256 + 64);
  EXPECT_EQ(plan.layers[1].parameters, 294912 + 256 + 1024);

  settings.neunorm.per_channel_u = true;
  EXPECT_EQ(plan_network(settings, {3, 32, 32}, 10).parameters(),
            45049188 + 128 * 1024 + 256 * 1024 + 512 * 256 + 1024 * 64);
}

TEST(Plan, NeuNormAfterPoolingSitsBehindTheLastPool) {
  NetworkSettings settings = settings_of("8C3-AP2-AP2-8C3-AP2-16FC-Voting");
  settings.neunorm.enabled = true;
  EXPECT_EQ(names_where(plan_network(settings, {1, 16, 16}, 2), &LayerPlan::neunorm_after), Names{"conv1"});
  settings.neunorm.after_pooling = true;
  const NetworkPlan plan = plan_network(settings, {1, 16, 16}, 2);
  EXPECT_EQ(names_where(plan, &LayerPlan::neunorm_after), Names{"pool2"});
  EXPECT_EQ(plan.layers[2].parameters, 16);
}

TEST(Plan, NeuNormPassesPoolsOfAnyKind) {
  NetworkSettings settings = settings_of("8C3-MP2-8C3-GAP-8C1-16FC-Voting");
  settings.neunorm.enabled = true;
  EXPECT_EQ(names_where(plan_network(settings, {1, 16, 16}, 2), &LayerPlan::neunorm_after),
            (Names{"conv1", "conv2"}));
  settings.neunorm.after_pooling = true;
  EXPECT_EQ(names_where(plan_network(settings, {1, 16, 16}, 2), &LayerPlan::neunorm_after),
            (Names{"pool1", "pool2"}));
}

TEST(Plan, NeuNormNeverEntersTheFullyConnectedPart) {
  for (const char* structure : {"8C3-16FC-Voting", "8C3-AP2-Voting", "8FC-Voting", "Voting"}) {
    NetworkSettings settings = settings_of(structure);
    settings.neunorm.enabled = true;
    EXPECT_EQ(names_where(plan_network(settings, {1, 16, 16}, 2), &LayerPlan::neunorm_after), Names{})
        << structure;
  }
}

TEST(Plan, DropoutPrecedesEveryWeightLayerButFirstAndLast) {
  NetworkSettings settings = settings_of("8C3-AP2-8C3-16FC-16FC-Voting");
  settings.dropout.rate = 0.5;
  EXPECT_EQ(names_where(plan_network(settings, {1, 16, 16}, 2), &LayerPlan::dropout_before),
            (Names{"conv2", "fc1", "fc2"}));
  settings.structure = "Voting";
  EXPECT_EQ(names_where(plan_network(settings, {1, 16, 16}, 2), &LayerPlan::dropout_before), Names{});
}

TEST(Plan, MaxPoolingHasTheShapesOfAveragePooling) {
  const NetworkPlan plan = plan_network(settings_of("8C3-MP2-8C3-MP3-Voting"), {1, 13, 12}, 2);
  EXPECT_EQ(plan.layers[1].name, "pool1");
  EXPECT_EQ(plan.layers[1].output, (Shape{8, 6, 6}));
  EXPECT_EQ(plan.layers[3].output, (Shape{8, 2, 2}));
  EXPECT_EQ(plan.layers[1].parameters + plan.layers[1].macs_per_step, 0);
  EXPECT_FALSE(plan.layers[1].has_neurons);
  const std::vector<Source> sources = {{2, {Pool::kMax, 3}}};
  EXPECT_EQ(plan.layers[4].sources, sources);
}

TEST(Plan, GlobalAveragePoolingTakesAWholeSquareMap) {
  const NetworkPlan plan = plan_network(settings_of("8C3S2-GAP-Voting"), {1, 14, 14}, 2);
  EXPECT_EQ(plan.layers[1].output, (Shape{8, 1, 1}));
  EXPECT_EQ(plan.layers[1].spec.kernel, 7);
  EXPECT_EQ(to_string(plan.layers[1].spec), "GAP");
  const std::vector<Source> sources = {{0, {Pool::kAverage, 7}}};
  EXPECT_EQ(plan.layers[2].sources, sources);
  EXPECT_EQ(plan.layers[2].parameters, 8 * 20 + 20);
  const std::string message = message_of<ShapeError>(settings_of("8C3-GAP-Voting"), {1, 14, 15});
  EXPECT_NE(message.find("pool1 (GAP): its input 8x14x15 is not square"), std::string::npos) << message;
}

TEST(Plan, PoolsInARowAreOne) {
  const NetworkPlan plan = plan_network(settings_of("8C3-AP2-GAP-Voting"), {1, 16, 16}, 2);
  const std::vector<Source> sources = {{0, {Pool::kAverage, 16}}};
  EXPECT_EQ(plan.layers[3].sources, sources);
}

TEST(Plan, RecurrentLayerWeighsItsOwnSpikesToo) {
  const NetworkPlan plan = plan_network(settings_of("256RFC-Readout"), {700, 1, 1}, 20);
  ASSERT_EQ(plan.layers.size(), 2u);
  EXPECT_EQ(plan.layers[0].name, "rfc1");
  EXPECT_EQ(plan.layers[0].output, (Shape{256, 1, 1}));
  EXPECT_EQ(plan.layers[0].parameters, 700 * 256 + 256 * 256 + 256);
  EXPECT_EQ(plan.layers[0].macs_per_step, 700 * 256 + 256 * 256);
  EXPECT_EQ(plan.layers[1].name, "readout");
  EXPECT_EQ(plan.layers[1].output, (Shape{20, 1, 1})) << "one neuron a class, whatever voting says";
  EXPECT_TRUE(plan.layers[0].has_neurons);
  EXPECT_FALSE(plan.layers[1].has_neurons);
  EXPECT_EQ(plan.parameters(), 250132);
  EXPECT_EQ(plan.macs_per_step(), 249856);
}

TEST(Plan, NormalisedLayersHaveTwoParametersAChannelInsteadOfABias) {
  NetworkSettings settings = settings_of("8C3-AP2-12C3-16FC-6RFC-Voting");
  settings.num_steps = 5;
  settings.norm.kind = NormKind::kTdbn;
  NetworkPlan plan = plan_network(settings, {2, 8, 8}, 3);
  EXPECT_EQ(names_where(plan, &LayerPlan::normalised), (Names{"conv1", "conv2", "fc1", "rfc1"}));
  EXPECT_EQ(plan.layers[0].parameters, 8 * 2 * 9 + 2 * 8);
  EXPECT_EQ(plan.layers[2].parameters, 12 * 8 * 9 + 2 * 12);
  EXPECT_EQ(plan.layers[3].parameters, 16 * 12 * 4 * 4 + 2 * 16);
  EXPECT_EQ(plan.layers[4].parameters, 6 * 16 + 6 * 6 + 2 * 6);
  EXPECT_EQ(plan.layers[5].parameters, 30 * 6 + 30) << "the last layer has its bias";
  settings.norm.kind = NormKind::kTebn;
  plan = plan_network(settings, {2, 8, 8}, 3);
  EXPECT_EQ(plan.layers[0].parameters, 8 * 2 * 9 + 2 * 8 + 5);
  settings.structure = "8C3-Readout";
  plan = plan_network(settings, {2, 8, 8}, 3);
  EXPECT_EQ(names_where(plan, &LayerPlan::normalised), Names{"conv1"});
  settings.norm.kind = NormKind::kNone;
  EXPECT_EQ(names_where(plan_network(settings, {2, 8, 8}, 3), &LayerPlan::normalised), Names{});
}

TEST(Plan, VotingLayerHasItsNeuronsPerClass) {
  NetworkSettings settings = settings_of("Voting");
  settings.voting.neurons_per_class = 3;
  const NetworkPlan plan = plan_network(settings, {2, 2, 2}, 7);
  EXPECT_EQ(plan.layers[0].output, (Shape{21, 1, 1}));
  EXPECT_EQ(plan.parameters(), 21 * 8 + 21);
  EXPECT_EQ(plan.macs_per_step(), 21 * 8);
}

TEST(Plan, LayerThatWouldBeEmptyIsNamed) {
  const std::string pool = message_of<ShapeError>(settings_of("8C3-AP2-AP2-Voting"), {1, 3, 3});
  EXPECT_NE(pool.find("pool2 (AP2)"), std::string::npos) << pool;
  EXPECT_NE(pool.find("8x1x1"), std::string::npos) << pool;
  const std::string convolution = message_of<ShapeError>(settings_of("8C5P0-Voting"), {1, 8, 4});
  EXPECT_NE(convolution.find("conv1 (8C5P0)"), std::string::npos) << convolution;
}

TEST(Plan, RefusesWhatMakesNoSense) {
  NetworkSettings settings = settings_of("8C3-8C3-Voting");
  EXPECT_NE(message_of<ConfigError>(settings, {1, 8, 8}, 0), "");
  EXPECT_NE(message_of<ShapeError>(settings, {1, 0, 8}), "");
  EXPECT_NE(message_of<ShapeError>(settings, {-1, 8, 8}), "");
  EXPECT_NE(message_of<ShapeError>(settings, {1, 65537, 8}), "");
  settings.voting.neurons_per_class = 0;
  EXPECT_NE(message_of<ConfigError>(settings, {1, 8, 8}), "");
  settings.voting.neurons_per_class = 1;
  settings.kind = NetworkKind::kAnn;
  EXPECT_EQ(message_of<ConfigError>(settings, {1, 8, 8}), "");
  settings.neunorm.enabled = true;
  EXPECT_NE(message_of<ConfigError>(settings, {1, 8, 8}), "");
  EXPECT_NE(message_of<StructureError>(settings_of("8C3"), {1, 8, 8}), "");
  settings.neunorm.enabled = false;
  settings.norm.kind = NormKind::kTdbn;
  EXPECT_EQ(message_of<ConfigError>(settings, {1, 8, 8}), "");
  settings.norm.kind = NormKind::kTebn;
  EXPECT_NE(message_of<ConfigError>(settings, {1, 8, 8}).find("has no steps"), std::string::npos);
}

TEST(Plan, CountsThatDoNotFitIn64BitsNameTheLayer) {
  const std::string message =
      message_of<ShapeError>(settings_of("65536C1-65536C65535-Voting"), {65536, 65536, 65536});
  EXPECT_NE(message.find("conv"), std::string::npos) << message;
  EXPECT_NE(message.find("2^63"), std::string::npos) << message;
}

}  // namespace
}  // namespace plan_test
}  // namespace spikeloom::model
