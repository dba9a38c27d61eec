#include "spikeloom/train/run/checkpoint.h"

#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;
using testing::small_recipe;
using testing::TemporaryFolder;

ModelInfo info_of(const Recipe& recipe) {
  ModelInfo info;
  info.recipe = recipe;
  info.input = {1, 28, 28};
  for (int i = 0; i < 10; ++i) info.class_names.push_back(std::to_string(i));
  return info;
}

std::unique_ptr<Network> network_of(const ModelInfo& info) {
  return make_network(info.plan(), info.recipe.network, info.recipe.seed);
}

void expect_same(const Network& a, const Network& b) {
  ASSERT_EQ(a.program().slots.size(), b.program().slots.size());
  for (std::size_t i = 0; i < a.program().slots.size(); ++i) {
    EXPECT_EQ(a.program().slots[i].name, b.program().slots[i].name);
    EXPECT_EQ(a.engine().read(static_cast<int>(i)), b.engine().read(static_cast<int>(i)))
        << a.program().slots[i].name;
  }
  EXPECT_EQ(a.program().class_of, b.program().class_of);
}

/// Not the start values: those come back by themselves.
void change(Network& network) {
  for (std::size_t i = 0; i < network.program().slots.size(); ++i) {
    std::vector<float> values = network.engine().read(static_cast<int>(i));
    float step = 0.125f;
    for (float& value : values) value += step += 0.001f;
    network.engine().write(static_cast<int>(i), values);
  }
}

const std::vector<std::string> kEverySetting = {"network.structure=3C3(Encoding)-AP2-4C3-AP2-16FC-Voting",
                                                "neuron.learn_decay=true",
                                                "neuron.learn_v_threshold=true",
                                                "compute.state=exact",
                                                "neunorm.enabled=true",
                                                "neunorm.per_channel_u=true",
                                                "neunorm.u_init=0.25",
                                                "voting.assignment=random",
                                                "seed=7",
                                                "description=a \"quoted\" line"};

TEST(Model, IsReadAsItWasWritten) {
  const TemporaryFolder folder;
  const ModelInfo info = info_of(small_recipe(kEverySetting));
  const auto network = network_of(info);
  change(*network);
  save_model(folder / "m", *network, info);
  ModelInfo read;
  const auto loaded = load_network(folder / "m", &read);
  expect_same(*network, *loaded);
  EXPECT_EQ(read.format, "spikeloom-model");
  EXPECT_EQ(read.recipe, info.recipe);
  EXPECT_EQ(model::to_string(read.input), "1x28x28");
  EXPECT_EQ(read.class_names, info.class_names);

  std::vector<float> images(5 * 28 * 28);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 97) / 97.0f;
  EXPECT_EQ(network->votes(network->batch_of(images.data(), 1, 5)),
            loaded->votes(loaded->batch_of(images.data(), 1, 5)));
}

TEST(Model, SameContentSameBytes) {
  const TemporaryFolder folder;
  const ModelInfo info = info_of(small_recipe());
  const auto network = network_of(info);
  save_model(folder / "a", *network, info);
  save_model(folder / "b", *network, info);
  EXPECT_EQ(testing::read_tensors(folder / "a"), testing::read_tensors(folder / "b"));
}

TEST(Checkpoint, HoldsStateAndOptimizer) {
  const TemporaryFolder folder;
  const ModelInfo info = info_of(small_recipe());
  const auto network = network_of(info);
  std::vector<float> moments(18);
  for (std::size_t i = 0; i < moments.size(); ++i) moments[i] = 0.1f * static_cast<float>(i);
  save_checkpoint(folder / "c", *network, info, "{\"epoch\":3}",
                  {{"exp_avg.conv1.weight", {2, 1, 3, 3}, moments, {}}, {"step.x", {}, {}, {41}}});
  const auto state = load_checkpoint_state(folder / "c");
  EXPECT_EQ(state.state, "{\"epoch\":3}");
  ASSERT_EQ(state.optimizer_state.size(), 2u);
  for (const SavedTensor& tensor : state.optimizer_state) {
    if (tensor.name == "step.x") {
      EXPECT_EQ(tensor.integers, (std::vector<std::int64_t>{41}));
      EXPECT_TRUE(tensor.shape.empty());
    } else {
      EXPECT_EQ(tensor.values, moments);
      EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{2, 1, 3, 3}));
    }
  }
  ModelInfo read;
  expect_same(*network, *load_network(folder / "c", &read));  // evaluated like a model
  EXPECT_EQ(read.format, "spikeloom-checkpoint");
}

TEST(Checkpoint, AModelIsNone) {
  const TemporaryFolder folder;
  const ModelInfo info = info_of(small_recipe());
  save_model(folder / "m", *network_of(info), info);
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { load_checkpoint_state(folder / "m"); }),
                       "is a model, not a checkpoint"));
}

class AnotherNetwork : public ::testing::Test {
 protected:
  /// What loading the small network's model into a network with these overrides says; that one must stay as
  /// it is.
  std::string refused(const std::vector<std::string>& overrides) {
    const ModelInfo info = info_of(small_recipe());
    const auto saved = network_of(info);
    change(*saved);
    save_model(folder_ / "m", *saved, info);
    const ModelInfo other = info_of(small_recipe(overrides));
    const auto network = network_of(other), untouched = network_of(other);
    const std::string message =
        message_of<CheckpointError>([&] { load_parameters(folder_ / "m", *network); });
    expect_same(*network, *untouched);
    EXPECT_TRUE(contains(message, folder_ / "m" + ": belongs to another network")) << message;
    return message;
  }
  const TemporaryFolder folder_;
};

TEST_F(AnotherNetwork, ShapesAreNamed) {
  const std::string message = refused({"network.structure=2C3(Encoding)-AP4-17FC-Voting"});
  EXPECT_TRUE(contains(message, "tensor 'fc1.weight' has shape [16, 98], this network's has [17, 98]"))
      << message;
}

TEST_F(AnotherNetwork, TheVotesAreLookedAtToo) {
  const std::string message = refused({"voting.neurons_per_class=3"});
  EXPECT_TRUE(contains(message, "'voting.weight' has shape [20, 16], this network's has [30, 16]"))
      << message;
}

TEST_F(AnotherNetwork, MissingTensorsAreNamed) {
  EXPECT_TRUE(
      contains(refused({"network.structure=2C3(Encoding)-AP4-16FC-20FC-Voting"}), "no tensor 'fc2.weight'"));
  EXPECT_TRUE(
      contains(refused({"neuron.learn_decay=true", "compute.state=exact"}), "no tensor 'conv1.decay'"));
}

TEST_F(AnotherNetwork, TensorsThatAreTooManyAreNamed) {
  EXPECT_TRUE(contains(refused({"network.bias=false"}), "this one has no tensor 'conv1.bias'"));
}

TEST(TakenParameters, AreThoseOfTheSameNameAndShape) {
  const TemporaryFolder folder;
  const ModelInfo info = info_of(small_recipe());
  const auto saved = network_of(info);
  change(*saved);
  save_model(folder / "m", *saved, info);
  const auto other =
      network_of(info_of(small_recipe({"network.structure=2C3(Encoding)-AP4-17FC-16FC-Voting"})));
  const auto before = other->engine().read(other->program().find_slot("fc1.weight"));
  const TakenParameters parameters = take_parameters(folder / "m", *other);
  EXPECT_EQ(parameters.taken,
            (std::vector<std::string>{"conv1.weight", "conv1.bias", "voting.weight", "voting.bias"}));
  EXPECT_EQ(parameters.kept, (std::vector<std::string>{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}));
  EXPECT_EQ(parameters.unused, (std::vector<std::string>{"fc1.bias", "fc1.weight"}));
  const auto value = [](const Network& network, const std::string& name) {
    return network.engine().read(network.program().find_slot(name));
  };
  EXPECT_EQ(value(*other, "conv1.weight"), value(*saved, "conv1.weight"));
  EXPECT_EQ(value(*other, "fc1.weight"), before);
  const auto stranger = network_of(info_of(
      small_recipe({"network.structure=30FC-Voting", "network.bias=false", "voting.neurons_per_class=3"})));
  EXPECT_TRUE(contains(message_of<CheckpointError>([&] { take_parameters(folder / "m", *stranger); }),
                       "no parameter of a name and shape"));
}

}  // namespace
}  // namespace spikeloom::train
