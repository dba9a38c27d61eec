// T by epoch and averages of weights, in whole trainings.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/train/evaluation/evaluate.h"
#include "spikeloom/train/network/network.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;
using testing::contains;
using testing::message_of;
using testing::read_tensors;
using testing::Recorder;
using testing::resume_training;
using testing::run_training;
using testing::small_recipe;

class Phases : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_pattern_set(data_, 60, 20); }
  double evaluate(const std::string& split) const {
    EvaluationRequest request;
    request.model = run_;
    request.data_dir = data_;
    request.split = split;
    return evaluate_model(request).result.loss;
  }
  const testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data", run_ = folder_ / "run";
  Recorder recorder_;
};

TEST_F(Phases, EachEpochHasItsStepsAndTheModelTheNetworks) {
  const auto result = run_training(small_recipe({"network.num_steps=4", "schedule.num_steps=1:1, 2:2",
                                                 "training.epochs=4", "data.validation_samples=10"}),
                                   run_, data_, recorder_);
  ASSERT_EQ(recorder_.epochs.size(), 4u);
  const int want[] = {1, 2, 2, 4};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(recorder_.epochs[i].num_steps, want[i]);
  EXPECT_NEAR(evaluate("test"), result.test_loss, 1e-6);
  EXPECT_NEAR(evaluate("validation"), recorder_.epochs[3].validation_loss, 1e-6);
}

TEST_F(Phases, AreWhatEachNumberOfStepsWouldTrainFromThere) {
  // Two epochs with one step each are a training with one step ...
  run_training(small_recipe({"network.num_steps=3", "schedule.num_steps=1:2", "schedule.kind=constant"}),
               run_, data_, recorder_);
  Recorder other;
  run_training(small_recipe({"network.num_steps=1", "schedule.kind=constant"}), folder_ / "one", data_,
               other);
  EXPECT_EQ(read_tensors(run_ + "/checkpoint.safetensors"),
            read_tensors(folder_ / "one/checkpoint.safetensors"));
  // ... that is tested with three.
  EXPECT_NE(read_tensors(run_ + "/model.safetensors").size(), 0u);
  EXPECT_EQ(read_tensors(run_ + "/model.safetensors"), read_tensors(folder_ / "one/model.safetensors"));
}

TEST_F(Phases, BestEpochIsOneOfTheNetworksSteps) {
  // Learns in the first epoch and then no more: the best of all epochs is one with a single step.
  const auto result =
      run_training(small_recipe({"network.num_steps=3", "schedule.num_steps=1:3", "training.epochs=5",
                                 "training.keep_best=true", "data.validation_samples=20",
                                 "schedule.kind=step", "schedule.step_epochs=3", "schedule.factor=1e-12"}),
                   run_, data_, recorder_);
  EXPECT_EQ(result.selection, "best validation epoch (4)");
}

TEST_F(Phases, AverageIsTheModelAndIsValidatedBesideTheWeights) {
  const auto result = run_training(
      small_recipe({"optimizer.average_decay=0.9", "data.validation_samples=20", "training.epochs=3"}), run_,
      data_, recorder_);
  EXPECT_EQ(result.selection, "last epoch, average of weights");
  const auto checkpoint = read_tensors(run_ + "/checkpoint.safetensors"),
             model = read_tensors(run_ + "/model.safetensors");
  EXPECT_NE(model.at("conv1.weight"), checkpoint.at("conv1.weight"));
  EXPECT_EQ(model.at("conv1.weight"), checkpoint.at("optimizer.average.conv1.weight"));
  for (const EpochReport& epoch : recorder_.epochs) {
    ASSERT_TRUE(epoch.has_average);
    EXPECT_NE(epoch.average_validation_loss, epoch.validation_loss);
  }
  EXPECT_EQ(result.validation_accuracy, recorder_.epochs.back().average_validation_accuracy);
  EXPECT_NEAR(evaluate("validation"), recorder_.epochs.back().average_validation_loss, 1e-6);
  EXPECT_NEAR(evaluate("test"), result.test_loss, 1e-6);
}

TEST_F(Phases, AverageOfDecayNearZeroIsTheWeights) {
  run_training(small_recipe({"optimizer.average_decay=1e-12"}), run_, data_, recorder_);
  const auto checkpoint = read_tensors(run_ + "/checkpoint.safetensors");
  EXPECT_EQ(checkpoint.at("conv1.weight"), checkpoint.at("optimizer.average.conv1.weight"));
  EXPECT_EQ(checkpoint.at("conv1.weight"), read_tensors(run_ + "/model.safetensors").at("conv1.weight"));
}

TEST_F(Phases, CannotBeWhereAStepHasParametersOrThereAreNone) {
  const auto refused = [](const std::vector<std::string>& overrides) {
    return message_of<ConfigError>([&] { small_recipe(overrides); });
  };
  EXPECT_TRUE(contains(refused({"schedule.num_steps=1:1", "norm.kind=tebn"}), "a parameter for each step"));
  EXPECT_TRUE(contains(refused({"schedule.num_steps=1:1", "network.kind=ann"}), "has no time steps"));
  EXPECT_TRUE(contains(refused({"schedule.num_steps=9:1", "network.num_steps=4"}), "must be the most"));
}

// It sees the mean of its input once, whatever network.num_steps is.
TEST_F(Phases, AnArtificialNetworkHasOneStep) {
  const Recipe recipe = small_recipe({"network.kind=ann", "network.num_steps=3"});
  const auto plan = model::plan_network(recipe.network, {1, 28, 28}, 10);
  const auto network = make_network(plan, recipe.network, 1);
  network->set_num_steps(3);
  EXPECT_EQ(network->program().num_steps, 1);
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { network->set_num_steps(2); }), "has no steps"));
}

// Recordings are binned for their number of steps: other data in each phase, the same recordings.
TEST_F(Phases, OfRecordings) {
  const std::string set = folder_ / "recordings";
  for (int label = 0; label < 2; ++label) {
    fs::create_directories(set + "/" + std::to_string(label));
    for (int i = 0; i < 12; ++i) {
      std::ofstream file(set + "/" + std::to_string(label) + "/" + std::to_string(i) + ".csv");
      file << "t,x,y,p\n";
      for (int e = 0; e < 200; ++e) {
        file << 100 * e << "," << (e * 7 + i) % 8 + 8 * label << "," << (e * 3) % 16 << "," << e % 2 << "\n";
      }
    }
  }
  const auto recipe =
      small_recipe({"data.dataset=folder", "data.folder=" + set, "data.sensor=16x16",
                    "data.slicing=equal-time", "network.num_steps=4", "schedule.num_steps=1:1, 2:1",
                    "training.epochs=4", "data.validation_samples=4", "training.batch_size=4"});
  const auto result = run_training(recipe, run_, "", recorder_);
  ASSERT_EQ(recorder_.epochs.size(), 4u);
  EXPECT_EQ(recorder_.epochs[1].num_steps, 2);
  EXPECT_FALSE(result.interrupted);
  const std::string again = folder_ / "again";
  Recorder first, second;
  first.stop_at_iteration = recorder_.starts[0].iterations_per_epoch + 1;  // in the second phase
  ASSERT_TRUE(run_training(recipe, again, "", first).interrupted);
  resume_training(again, "", second);
  EXPECT_EQ(read_tensors(again + "/model.safetensors"), read_tensors(run_ + "/model.safetensors"));
}

}  // namespace
}  // namespace spikeloom::train
