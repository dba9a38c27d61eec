// Files of version 0.1.0 from before the engine still load: tests/golden/run-0.1 is a training of three steps
// of Adam with learnable decays and thresholds, which were 64-bit numbers then, and a random assignment of
// voters. The votes are those of examples/read_model.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "spikeloom/train/evaluation/trained_network.h"
#include "spikeloom/train/run/checkpoint.h"
#include "spikeloom/train/steps/optimizer.h"

namespace spikeloom::train {
namespace {

const std::string kRun = std::string(SPIKELOOM_SOURCE_DIR) + "/tests/golden/run-0.1";

nlohmann::json expected() {
  std::ifstream file(kRun + "/expected.json");
  return nlohmann::json::parse(file);
}

TEST(OldRun, AModelHasItsParametersAndVotes) {
  ModelInfo info;
  const auto network = load_network(kRun + "/model.safetensors", &info);
  const auto want = expected();
  for (const auto& [name, value] : want.at("first_values").items()) {
    const int slot = network->program().find_slot(name);
    ASSERT_NE(slot, model::kNoSlot) << name;
    EXPECT_FLOAT_EQ(network->engine().read(slot).front(), value.get<float>()) << name;
  }
  EXPECT_EQ(network->program().class_of, want.at("class_of").get<std::vector<std::int32_t>>());
  std::vector<float> image(28 * 28);
  for (std::size_t y = 5; y < 12; ++y) {
    for (std::size_t x = 5; x < 23; ++x) image[y * 28 + x] = 1.0f;  // a rectangle
  }
  auto trained = TrainedNetwork::load(kRun + "/model.safetensors");
  EXPECT_EQ(trained.forward({image.data(), image.size()}, 1).values,
            want.at("votes").get<std::vector<float>>());
}

TEST(OldRun, ACheckpointHasItsStateAndOptimizer) {
  ModelInfo info;
  const std::string path = kRun + "/checkpoint.safetensors";
  const auto network = load_network(path, &info);
  const auto saved = load_checkpoint_state(path);
  const auto state = nlohmann::json::parse(saved.state);
  EXPECT_EQ(state.at("iteration"), 3);
  auto optimizer = make_optimizer(network->engine(), info.recipe.optimizer);
  load_optimizer_state(optimizer, network->engine(), saved.optimizer_state);
  EXPECT_EQ(optimizer.steps(), 3);
  const auto again = optimizer_state(optimizer, network->engine());
  ASSERT_EQ(again.size(), 3 * network->program().slots.size());
  for (const SavedTensor& tensor : again) {
    const auto before = std::find_if(saved.optimizer_state.begin(), saved.optimizer_state.end(),
                                     [&](const SavedTensor& other) { return other.name == tensor.name; });
    ASSERT_NE(before, saved.optimizer_state.end()) << tensor.name;
    EXPECT_EQ(before->values, tensor.values) << tensor.name;
    EXPECT_EQ(before->integers, tensor.integers) << tensor.name;
  }
}

}  // namespace
}  // namespace spikeloom::train
