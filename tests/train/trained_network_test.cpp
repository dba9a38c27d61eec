#include "spikeloom/train/evaluation/trained_network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/loader.h"
#include "spikeloom/engine/engine.h"
#include "spikeloom/train/evaluation/evaluate.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

class TrainedNetworkTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_pattern_set(*folder_ / "data", 60, 23);
    testing::Recorder recorder;
    testing::run_training(testing::small_recipe(), *folder_ / "run", *folder_ / "data", recorder);
  }
  static void TearDownTestSuite() { folder_.reset(); }

  /// The test part as the recipe asks for it.
  static std::shared_ptr<const data::Dataset> test_part() {
    return data::open_dataset(testing::small_recipe().data, 2, *folder_ / "data").test;
  }
  static EvaluationResult evaluate(const std::string& model) {
    EvaluationRequest request;
    request.model = model;
    request.data_dir = *folder_ / "data";
    return evaluate_model(request).result;
  }
  static std::unique_ptr<TemporaryFolder> folder_;
};
std::unique_ptr<TemporaryFolder> TrainedNetworkTest::folder_;

TEST_F(TrainedNetworkTest, VotesAsTheEvaluationDoes) {
  auto trained = TrainedNetwork::load(*folder_ / "run");
  EXPECT_EQ(trained.info().class_names.size(), 10u);
  EXPECT_EQ(model::to_string(trained.info().input), "1x28x28");
  const auto dataset = test_part();
  data::LoaderSettings settings;
  settings.batch_size = 8;
  data::Loader loader(dataset, settings);
  std::vector<std::vector<std::int64_t>> confusion(10, std::vector<std::int64_t>(10, 0));
  std::vector<std::string> layers;
  while (const data::Batch* batch = loader.next()) {
    const Span<const float> inputs(batch->inputs, static_cast<std::size_t>(batch->size) * 28 * 28);
    const Votes votes = trained.forward(inputs, batch->size);
    ASSERT_EQ(votes.num_classes, 10);
    ASSERT_EQ(votes.samples(), batch->size);
    for (std::int64_t n = 0; n < batch->size; ++n) {
      ++confusion[static_cast<std::size_t>(batch->labels[n])][static_cast<std::size_t>(votes.best(n))];
    }
    layers.clear();
    for (const auto& [layer, rate] : votes.firing_rates) {
      layers.push_back(layer);
      EXPECT_GE(rate, 0.0);
      EXPECT_LE(rate, 1.0);
    }
  }
  EXPECT_EQ(confusion, evaluate(*folder_ / "run").confusion);
  EXPECT_EQ(layers, (std::vector<std::string>{"conv1", "fc1", "voting"}));
}

TEST_F(TrainedNetworkTest, AStillImageIsTheImageAtEachStep) {
  auto trained = TrainedNetwork::load(*folder_ / "run");
  const auto dataset = test_part();
  std::vector<float> once(2 * 784), twice;
  for (int n = 0; n < 2; ++n) dataset->read(n, nullptr, once.data() + n * 784);
  twice = once;
  twice.insert(twice.end(), once.begin(), once.end());  // [T, N, ...]
  const Votes still = trained.forward(once, 2), moving = trained.forward(twice, 2);
  for (std::size_t i = 0; i < still.values.size(); ++i) EXPECT_NEAR(still.values[i], moving.values[i], 1e-6);
  EXPECT_EQ(trained.forward(twice, 4).samples(), 4) << "the same values are four still images";
}

TEST_F(TrainedNetworkTest, RefusesWhatDoesNotFit) {
  auto trained = TrainedNetwork::load(*folder_ / "run");
  std::vector<float> values(784);
  for (const std::int64_t samples :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{3}, std::numeric_limits<std::int64_t>::max()}) {
    const auto message = message_of<ShapeError>([&] { trained.forward(values, samples); });
    EXPECT_TRUE(contains(message, "inputs has 784 values for " + std::to_string(samples) + " samples"))
        << message;
    EXPECT_TRUE(contains(message, "784 values (1x28x28) at 1 step or at each of 2")) << message;
  }
  EXPECT_THROW(trained.forward({}, 1), ShapeError);
  values[17] = std::nanf("");
  EXPECT_TRUE(contains(message_of<NumericsError>([&] { trained.forward(values, 1); }), "inputs[17]"));
  values[17] = 0.0f;
  EXPECT_THROW(trained.forward(values, 1, 1025), ConfigError);
  EXPECT_THROW(TrainedNetwork::load(*folder_ / "nothing"), DataError);
  EXPECT_THROW(TrainedNetwork::load(*folder_ / "run/recipe.toml"), FormatError);
  EXPECT_THROW(TrainedNetwork::load(*folder_ / "run", "abacus"), DeviceError);
}

TEST_F(TrainedNetworkTest, ANewOneIsSavedAndReadBack) {
  ModelInfo info;
  info.recipe = testing::small_recipe();
  info.input = {1, 28, 28};
  EXPECT_THROW(TrainedNetwork::initialised(info), ConfigError) << "no classes";
  for (int i = 0; i < 10; ++i) info.class_names.push_back(std::to_string(i));
  auto made = TrainedNetwork::initialised(info);
  EXPECT_EQ(made.engine().program().slots.front().name, "conv1.weight");
  const std::string path = *folder_ / "made.safetensors";
  made.save(path);
  auto read = TrainedNetwork::load(path);
  EXPECT_EQ(read.info().format, "spikeloom-model");
  std::vector<float> values(784, 0.5f);
  EXPECT_EQ(read.forward(values, 1).values, made.forward(values, 1).values);
  EXPECT_EQ(evaluate(path).samples, 23);
}

}  // namespace
}  // namespace spikeloom::train
