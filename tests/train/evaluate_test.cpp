#include "spikeloom/train/evaluation/evaluate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/train/evaluation/vote_shares.h"
#include "spikeloom/train/run/checkpoint.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;
using testing::TemporaryFolder;

/// One short training for all tests here.
class Evaluation : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    testing::write_pattern_set(*folder_ / "data", 60, 23);
    testing::Recorder recorder;
    trained_ =
        testing::run_training(testing::small_recipe({"data.validation_samples=10", "training.epochs=1"}),
                              *folder_ / "run", *folder_ / "data", recorder);
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static EvaluationRequest request(const std::string& split) {
    EvaluationRequest request;
    request.model = *folder_ / "run";
    request.data_dir = *folder_ / "data";
    request.split = split;
    return request;
  }
  static std::unique_ptr<TemporaryFolder> folder_;
  static TrainingResult trained_;
};
std::unique_ptr<TemporaryFolder> Evaluation::folder_;
TrainingResult Evaluation::trained_;

TEST_F(Evaluation, CountsEachSampleOnce) {
  const auto evaluation = evaluate_model(request("test"));
  const auto& result = evaluation.result;
  EXPECT_EQ(evaluation.model, *folder_ / "run/model.safetensors");
  EXPECT_EQ(evaluation.dataset, "mnist");
  EXPECT_EQ(evaluation.class_names.size(), 10u);
  EXPECT_EQ(result.samples, 23);
  ASSERT_EQ(result.confusion.size(), 10u);
  std::int64_t hits = 0;
  for (std::size_t label = 0; label < 10; ++label) {
    std::int64_t row = 0;
    for (const auto count : result.confusion[label]) row += count;
    EXPECT_EQ(row, label < 3 ? 3 : 2) << "labels run 0, 1, ..., 9, 0, ...";
    hits += result.confusion[label][label];
  }
  EXPECT_EQ(result.correct, hits);
  EXPECT_EQ(result.accuracy, static_cast<double>(hits) / 23.0);
  EXPECT_EQ(trained_.test_accuracy, result.accuracy);
  EXPECT_EQ(trained_.test_loss, result.loss);
  EXPECT_EQ(trained_.test_samples, 23);
}

TEST_F(Evaluation, IsWhatTheNetworkSaysSampleBySample) {
  ModelInfo info;
  const auto network = load_network(*folder_ / "run/model.safetensors", &info);
  const auto splits = data::open_dataset(info.recipe.data, 2, *folder_ / "data");
  std::vector<std::vector<std::int64_t>> confusion(10, std::vector<std::int64_t>(10, 0));
  double loss = 0.0;
  for (std::int64_t i = 0; i < splits.test->size(); ++i) {
    std::vector<float> image(28 * 28);
    splits.test->read(i, nullptr, image.data());
    const std::vector<float> votes = network->votes(network->batch_of(image.data(), 1, 1));
    const auto best = std::max_element(votes.begin(), votes.end()) - votes.begin();
    ++confusion[static_cast<std::size_t>(splits.test->label(i))][static_cast<std::size_t>(best)];
    for (int k = 0; k < 10; ++k) {
      const double error =
          static_cast<double>(votes[static_cast<std::size_t>(k)]) - (k == splits.test->label(i) ? 1.0 : 0.0);
      loss += error * error / 10.0 / static_cast<double>(splits.test->size());
    }
  }
  const auto result = evaluate_model(request("test")).result;
  EXPECT_EQ(result.confusion, confusion);
  EXPECT_NEAR(result.loss, loss, 1e-6);
}

TEST_F(Evaluation, VotesAreSharedOutByTrueClass) {
  auto every = request("test");
  every.keep_predictions = true;
  const auto result = evaluate_model(every).result;
  std::vector<std::vector<double>> expected(10, std::vector<double>(10, 0.0));
  std::vector<int> voted(10, 0);
  for (const Prediction& prediction : result.predictions) {
    double total = 0.0;
    for (const float vote : prediction.votes) total += static_cast<double>(vote);
    if (total == 0.0) continue;
    const auto label = static_cast<std::size_t>(prediction.label);
    ++voted[label];
    for (std::size_t k = 0; k < 10; ++k) {
      expected[label][k] += static_cast<double>(prediction.votes[k]) / total;
    }
  }
  ASSERT_EQ(result.vote_shares.size(), 10u);
  int rows_with_votes = 0;
  for (std::size_t label = 0; label < 10; ++label) {
    ASSERT_EQ(result.vote_shares[label].size(), 10u);
    double row = 0.0;
    for (std::size_t k = 0; k < 10; ++k) {
      EXPECT_NEAR(result.vote_shares[label][k], voted[label] > 0 ? expected[label][k] / voted[label] : 0.0,
                  1e-12);
      row += result.vote_shares[label][k];
    }
    EXPECT_NEAR(row, voted[label] > 0 ? 1.0 : 0.0, 1e-12);
    rows_with_votes += voted[label] > 0 ? 1 : 0;
  }
  EXPECT_GT(rows_with_votes, 5);
  EXPECT_EQ(trained_.vote_shares, result.vote_shares);
  EXPECT_EQ(trained_.class_names.size(), 10u);
}

TEST(VoteSharesTest, SamplesWithoutVotesAreLeftOut) {
  VoteShares shares(2);
  const std::vector<float> clear{0.75F, 0.25F}, even{0.5F, 0.5F}, silent{0.0F, 0.0F};
  shares.add(0, {clear.data(), 2});
  shares.add(0, {silent.data(), 2});
  shares.add(0, {even.data(), 2});
  shares.add(1, {silent.data(), 2});
  const std::vector<std::vector<double>> expected{{0.625, 0.375}, {0.0, 0.0}};
  EXPECT_EQ(shares.shares(), expected);
  // As processes add them up.
  VoteShares twice(2);
  std::vector<double> sums = shares.sums();
  for (double& sum : sums) sum *= 2.0;
  EXPECT_EQ(twice.assign(sums.data()), sums.data() + sums.size());
  EXPECT_EQ(twice.shares(), expected);
}

TEST_F(Evaluation, DoesNotDependOnTheBatchSize) {
  const auto expected = evaluate_model(request("test")).result;
  for (const std::int64_t batch : {1, 7, 23, 100}) {
    auto with_batch = request("test");
    with_batch.batch_size = batch;
    const auto result = evaluate_model(with_batch).result;
    EXPECT_EQ(result.confusion, expected.confusion) << batch;
    EXPECT_NEAR(result.loss, expected.loss, 1e-6) << batch;
  }
}

// LibTorch has other ways of convolving one image; an artificial network hands every rounding on to the
// votes.
TEST_F(Evaluation, VotesOfAnArtificialNetworkDoNotDependOnTheBatchSize) {
  const std::string run = *folder_ / "ann";
  testing::Recorder recorder;
  testing::run_training(
      testing::small_recipe({"network.kind=ann", "network.structure=6C3(Encoding)-AP2-7C3-AP2-9FC-Voting",
                             "training.epochs=1"}),
      run, *folder_ / "data", recorder);
  EvaluationRequest asked = request("test");
  asked.model = run;
  asked.keep_predictions = true;
  const auto expected = evaluate_model(asked).result;
  for (const std::int64_t batch : {1, 2, 7, 19}) {
    asked.batch_size = batch;
    const auto result = evaluate_model(asked).result;
    ASSERT_EQ(result.predictions.size(), expected.predictions.size());
    for (std::size_t i = 0; i < result.predictions.size(); ++i) {
      EXPECT_EQ(result.predictions[i].votes, expected.predictions[i].votes) << batch << ", sample " << i;
    }
  }
}

TEST_F(Evaluation, StopsAtTheLimit) {
  auto limited = request("test");
  limited.limit = 9;
  limited.batch_size = 4;
  std::vector<std::pair<std::int64_t, std::int64_t>> progress;
  limited.progress = [&](std::int64_t done, std::int64_t total) { progress.emplace_back(done, total); };
  const auto result = evaluate_model(limited).result;
  EXPECT_EQ(result.samples, 9);
  for (std::size_t label = 0; label < 10; ++label) {
    std::int64_t row = 0;
    for (const auto count : result.confusion[label]) row += count;
    EXPECT_EQ(row, label < 9 ? 1 : 0);
  }
  EXPECT_EQ(progress, (std::vector<std::pair<std::int64_t, std::int64_t>>{{4, 9}, {8, 9}, {9, 9}}));
}

TEST_F(Evaluation, KnowsTheSplitsOfTheTraining) {
  EXPECT_EQ(evaluate_model(request("train")).result.samples, 50);
  const auto validation = evaluate_model(request("validation")).result;
  EXPECT_EQ(validation.samples, 10);
  EXPECT_EQ(validation.accuracy, trained_.validation_accuracy);
  EXPECT_TRUE(
      contains(message_of<ConfigError>([] { evaluate_model(request("tset")); }), "unknown split 'tset'"));
}

TEST_F(Evaluation, FiringRatesAreFractionsOfAllNeuronsAndSteps) {
  const auto rates = evaluate_model(request("train")).result.firing_rates;
  ASSERT_EQ(rates.size(), 3u);
  EXPECT_EQ(rates[0].first, "conv1");
  EXPECT_EQ(rates[1].first, "fc1");
  EXPECT_EQ(rates[2].first, "voting");
  for (const auto& [layer, rate] : rates) {
    EXPECT_GT(rate, 0.0) << layer;
    EXPECT_LT(rate, 1.0) << layer;
  }
}

/// The set of the training under other names of the same shape: files of MNIST in the folder of
/// Fashion-MNIST.
std::string copy_as_fashion(const TemporaryFolder& folder, const std::string& name) {
  std::filesystem::create_directories(folder / name);
  std::filesystem::copy(folder / "data/mnist", folder / (name + "/fashion-mnist"),
                        std::filesystem::copy_options::recursive);
  return folder / name;
}

TEST_F(Evaluation, ClassesAreMatchedByName) {
  const auto expected = evaluate_model(request("test")).result;
  auto other = request("test");
  other.data_dir = copy_as_fashion(*folder_, "other");
  other.overrides = {"data.dataset=fashion-mnist"};
  const std::string message = message_of<ConfigError>([&] { evaluate_model(other); });
  EXPECT_TRUE(contains(message, "'T-shirt/top', 'Trouser'")) << message;
  EXPECT_TRUE(contains(message, "'0', '1'")) << message;
  const std::vector<std::string> names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  // Turned by one: what was right is then wrong, but for the confusion's rows, which are as they were.
  for (std::size_t i = 0; i < names.size(); ++i) {
    other.class_map += (i == 0 ? "" : ",") + names[i] + "=" + std::to_string((i + 1) % 10);
  }
  const auto turned = evaluate_model(other);
  EXPECT_EQ(turned.dataset, "fashion-mnist");
  EXPECT_EQ(turned.data_classes, names);
  ASSERT_EQ(turned.class_names.size(), 10u);
  for (std::size_t label = 0; label < 10; ++label) {
    EXPECT_EQ(turned.result.confusion[(label + 1) % 10], expected.confusion[label]);
  }
  other.class_map = "Trouser=10";
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { evaluate_model(other); }), "no class '10'"));
}

// What ends a training early needs validation samples, which other data may not have.
TEST_F(Evaluation, OtherDataNeedsNoValidationSamples) {
  const std::string run = *folder_ / "patient";
  testing::Recorder recorder;
  testing::run_training(
      testing::small_recipe({"data.validation_samples=10", "training.early_stopping_epochs=3",
                             "training.keep_best=true", "training.epochs=1"}),
      run, *folder_ / "data", recorder);
  EvaluationRequest other = request("test");
  other.model = run;
  for (const char* change : {"data.dataset=mnist", "data.validation_samples=0"}) {
    other.overrides = {change};
    EXPECT_EQ(evaluate_model(other).result.samples, 23) << change;
  }
}

TEST_F(Evaluation, AFolderIsNotForgottenWhereTheSetHasAPlaceOfItsOwn) {
  EvaluationRequest other = request("test");
  other.overrides = {"data.folder=nowhere"};
  const std::string message = message_of<ConfigError>([&] { evaluate_model(other); });
  EXPECT_TRUE(contains(message, "data.folder") && contains(message, "the set here is 'mnist'")) << message;
}

TEST_F(Evaluation, TestPartAloneIsEnoughForIt) {
  const auto expected = evaluate_model(request("test")).result;
  std::filesystem::copy(*folder_ / "data", *folder_ / "alone", std::filesystem::copy_options::recursive);
  for (const char* file : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    ASSERT_TRUE(std::filesystem::remove(*folder_ / "alone/mnist/" + file));
  }
  auto alone = request("test");
  alone.data_dir = *folder_ / "alone";
  const auto evaluation = evaluate_model(alone);
  EXPECT_EQ(evaluation.result.confusion, expected.confusion);
  alone.split = "train";
  EXPECT_TRUE(contains(message_of<DataError>([&] { evaluate_model(alone); }), "missing train-images"));
}

TEST_F(Evaluation, StepsAndDataMayBeOthersTheNetworkMayNot) {
  auto other = request("test");
  other.overrides = {"network.num_steps=5", "data.test_limit=7"};
  const auto evaluation = evaluate_model(other);
  EXPECT_EQ(evaluation.result.samples, 7);
  EXPECT_TRUE(contains(evaluation.data_description, "7 of 23 test")) << evaluation.data_description;
  other.overrides = {"training.epochs=3"};
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { evaluate_model(other); }), "training.epochs=3"));
  other.overrides = {"data.datset=mnist"};
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { evaluate_model(other); }), "data.datset"));
  // The recipe's split is of its own data: ten validation samples are not taken out of the other.
  auto all = request("train");
  all.overrides = {"data.dataset=mnist"};
  EXPECT_EQ(evaluate_model(all).result.samples, 60);
}

TEST_F(Evaluation, MissingModelsAndData) {
  auto no_model = request("test");
  no_model.model = *folder_ / "data";
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { evaluate_model(no_model); }), "holds neither model.safetensors"));
  auto no_data = request("test");
  no_data.data_dir = *folder_ / "nowhere";
  EXPECT_TRUE(contains(message_of<DataError>([&] { evaluate_model(no_data); }), "nowhere"));
}

}  // namespace
}  // namespace spikeloom::train
