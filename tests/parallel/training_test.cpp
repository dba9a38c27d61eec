// Trainings of several processes, each a thread here, against that of one.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/train/machine/arithmetic_scope.h"
#include "tests/parallel/ranks.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace training_test {
namespace {

using namespace testing;
using parallel::Group;
using parallel::testing::run_ranks;

class ParallelTraining : public ::testing::Test {
 protected:
  ParallelTraining() { write_pattern_set(data_, 61, 23); }

  /// Trains `recipe` with so many processes of one thread; returns each one's error.
  std::vector<std::string> train_with(int size, const Recipe& recipe, const std::string& run,
                                      std::int64_t stop_at = -1, bool resume = false,
                                      const std::vector<std::string>& changes = {}) {
    const ArithmeticScope one_thread(1);
    const auto train_as = [&](Group* group) {
      Recorder recorder;
      recorder.stop_at_iteration = stop_at;
      TrainingRequest request;
      request.recipe = recipe;
      request.run_path = run;
      request.data_dir = data_;
      request.resume = resume;
      request.changes = changes;
      request.threads = 1;
      request.checkpoint_share = 0.0;
      request.stop = &recorder.stop;
      request.group = group;
      request.device_path_on_host = device_path_on_host_;
      const TrainingResult result = train(request, recorder);
      if (group == nullptr || group->leads()) result_ = result;
    };
    if (size > 1) return run_ranks(size, [&](Group& group) { train_as(&group); });
    train_as(nullptr);
    return {""};
  }
  void expect_training(int size, const Recipe& recipe, const std::string& run, std::int64_t stop_at = -1,
                       bool resume = false) {
    for (const std::string& error : train_with(size, recipe, run, stop_at, resume)) EXPECT_EQ(error, "");
  }

  /// Every number of every line of two runs is the same but for rounding.
  static void expect_near(const std::string& run, const std::string& other, double tolerance) {
    const auto lines = read_metrics(run), others = read_metrics(other);
    ASSERT_EQ(lines.size(), others.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (const char* key : {"loss", "accuracy", "train_loss", "train_accuracy", "validation_loss",
                              "validation_accuracy", "test_loss", "test_accuracy", "learning_rate"}) {
        ASSERT_EQ(lines[i].contains(key), others[i].contains(key)) << key;
        if (!lines[i].contains(key)) continue;
        const double value = lines[i][key];
        EXPECT_NEAR(value, others[i][key].get<double>(), tolerance * std::max(1e-3, std::abs(value)))
            << key << " in line " << i << " of " << other;
      }
      EXPECT_EQ(lines[i]["firing_rates"].size(), others[i]["firing_rates"].size());
      for (const auto& rate : lines[i]["firing_rates"].items()) {
        EXPECT_NEAR(rate.value().get<double>(), others[i]["firing_rates"][rate.key()].get<double>(), 1e-4);
      }
    }
  }

  TemporaryFolder folder_;
  const std::string data_ = folder_.path();
  bool device_path_on_host_ = false;
  TrainingResult result_;
};

// 51 samples in batches of 16: the last one has 3, fewer than four processes.
const std::vector<std::pair<std::string, std::vector<std::string>>> kKinds = {
    {"sgd", {}},
    {"clip_neunorm_dropout",
     {"network.structure=3C3(Encoding)-AP2-5C3-AP2-16FC-Voting", "neunorm.enabled=true", "dropout.rate=0.3",
      "optimizer.max_gradient_norm=0.05", "data.crop_padding=2", "optimizer.weight_decay=1e-3"}},
    {"adam_tdbn_average",
     {"network.structure=4C3(Encoding)-AP2-6C3-AP2-16FC-Voting", "norm.kind=tdbn", "optimizer.kind=adam",
      "optimizer.learning_rate=1e-3", "optimizer.average_decay=0.9", "loss.kind=cross-entropy"}},
    {"calibrated_tebn_learnt",
     {"network.structure=4C3(Encoding)-AP2-6C3-AP2-16FC-Voting", "norm.kind=tebn", "init.scheme=calibrated",
      "neuron.learn_decay=true", "neuron.learn_v_threshold=true"}},
};

TEST_F(ParallelTraining, LossesAreThoseOfOneProcess) {
  for (const auto& [name, overrides] : kKinds) {
    std::vector<std::string> all = overrides;
    all.insert(all.end(), {"data.validation_samples=10", "training.epochs=3", "compute.state=exact"});
    const Recipe recipe = small_recipe(all);
    expect_training(1, recipe, folder_ / (name + "1"));
    const auto vote_shares = result_.vote_shares;
    ASSERT_EQ(vote_shares.size(), 10u);
    for (const int size : {2, 4}) {
      const std::string run = folder_ / (name + std::to_string(size));
      expect_training(size, recipe, run);
      expect_near(folder_ / (name + "1"), run, 1e-5);
      EXPECT_EQ(result_.test_samples, 23);
      for (std::size_t label = 0; label < 10; ++label) {
        for (std::size_t k = 0; k < 10; ++k) {
          EXPECT_NEAR(result_.vote_shares.at(label).at(k), vote_shares[label][k], 1e-3);
        }
      }
    }
  }
}

// The path of a CUDA device, on the host and with Gloo: parts of batches, dropout by place, sums of a step.
TEST_F(ParallelTraining, LossesOfTheDevicePathAreThoseOfOneProcess) {
  device_path_on_host_ = true;
  const Recipe recipe = small_recipe({"network.structure=3C3(Encoding)-AP2-5C3-AP2-16FC-Voting",
                                      "neunorm.enabled=true", "dropout.rate=0.3", "data.crop_padding=2",
                                      "optimizer.max_gradient_norm=0.05", "data.validation_samples=10"});
  expect_training(1, recipe, folder_ / "one");
  for (const int size : {2, 4}) {
    const std::string run = folder_ / std::to_string(size);
    expect_training(size, recipe, run);
    expect_near(folder_ / "one", run, 1e-5);
    EXPECT_EQ(result_.test_samples, 23);
  }
  expect_training(2, recipe, folder_ / "stopped", 6);
  expect_training(2, Recipe(), folder_ / "stopped", -1, true);
  EXPECT_EQ(read_tensors(folder_ / "2/model.safetensors"),
            read_tensors(folder_ / "stopped/model.safetensors"));
}

TEST_F(ParallelTraining, TheSameTwiceIsTheSameBits) {
  const Recipe recipe = small_recipe({"dropout.rate=0.3", "norm.kind=tdbn", "data.validation_samples=10"});
  expect_training(3, recipe, folder_ / "a");
  expect_training(3, recipe, folder_ / "b");
  EXPECT_EQ(read_tensors(folder_ / "a/model.safetensors"), read_tensors(folder_ / "b/model.safetensors"));
  EXPECT_EQ(timeless_metrics(folder_ / "a"), timeless_metrics(folder_ / "b"));
}

TEST_F(ParallelTraining, AccumulationIsTheOneProcessFormOfTwo) {
  const Recipe whole = small_recipe({"dropout.rate=0.3"});
  const Recipe pieces = small_recipe({"dropout.rate=0.3", "training.accumulate=2"});
  expect_training(1, whole, folder_ / "whole");
  expect_training(1, pieces, folder_ / "pieces");
  expect_training(2, whole, folder_ / "two");
  expect_training(2, pieces, folder_ / "four");
  expect_near(folder_ / "whole", folder_ / "pieces", 1e-5);
  expect_near(folder_ / "whole", folder_ / "four", 1e-5);
  EXPECT_EQ(read_tensors(folder_ / "two/model.safetensors"),
            read_tensors(folder_ / "pieces/model.safetensors"));
}

TEST_F(ParallelTraining, StoppedAndResumedItIsAsIfNothingHadHappened) {
  const Recipe recipe = small_recipe({"dropout.rate=0.3", "norm.kind=tdbn", "optimizer.kind=adam",
                                      "optimizer.learning_rate=1e-3", "data.validation_samples=10"});
  expect_training(2, recipe, folder_ / "straight");
  expect_training(2, recipe, folder_ / "stopped", 6);
  EXPECT_TRUE(result_.interrupted);
  expect_training(2, Recipe(), folder_ / "stopped", -1, true);
  EXPECT_FALSE(result_.interrupted);
  EXPECT_EQ(read_tensors(folder_ / "straight/model.safetensors"),
            read_tensors(folder_ / "stopped/model.safetensors"));
  EXPECT_EQ(timeless_metrics(folder_ / "straight"), timeless_metrics(folder_ / "stopped"));
}

TEST_F(ParallelTraining, ResumesWithAnotherNumberOfProcesses) {
  const Recipe recipe = small_recipe({"data.validation_samples=10", "compute.state=exact"});
  expect_training(1, recipe, folder_ / "one");
  expect_training(4, recipe, folder_ / "run", 3);
  expect_training(2, Recipe(), folder_ / "run", 6, true);
  expect_training(1, Recipe(), folder_ / "run", -1, true);
  EXPECT_FALSE(result_.interrupted);
  expect_near(folder_ / "one", folder_ / "run", 1e-5);
  // Nothing is left, and all know it.
  expect_training(2, Recipe(), folder_ / "run", -1, true);
  EXPECT_TRUE(result_.nothing_left);
}

TEST_F(ParallelTraining, RoundedGradientsTrain) {
  const Recipe exact = small_recipe({}), rounded = small_recipe({"training.gradient_format=bf16"});
  expect_training(2, exact, folder_ / "exact");
  expect_training(2, rounded, folder_ / "rounded");
  expect_training(2, rounded, folder_ / "again");
  EXPECT_NE(read_tensors(folder_ / "exact/model.safetensors"),
            read_tensors(folder_ / "rounded/model.safetensors"));
  EXPECT_EQ(read_tensors(folder_ / "again/model.safetensors"),
            read_tensors(folder_ / "rounded/model.safetensors"));
  // The first loss is that of the same weights.
  EXPECT_EQ(read_metrics(folder_ / "exact")[0]["loss"], read_metrics(folder_ / "rounded")[0]["loss"]);
}

TEST_F(ParallelTraining, OtherRecipesAndWhatCannotRunAreRefusedByAll) {
  const ArithmeticScope one_thread(1);
  const auto train_as = [&](Group& group, const Recipe& recipe, const std::string& device, bool host_path) {
    Recorder recorder;
    TrainingRequest request;
    request.recipe = recipe;
    request.run_path = folder_ / "refused";
    request.data_dir = data_;
    request.threads = 1;
    request.device = device;
    request.device_path_on_host = host_path;
    request.group = &group;
    train(request, recorder);
  };
  auto errors = run_ranks(2, [&](Group& group) {
    train_as(group, small_recipe({"training.epochs=" + std::to_string(2 + group.rank())}), "cpu", false);
  });
  for (const std::string& error : errors) {
    EXPECT_TRUE(
        contains(error, "rank 1 has another recipe than rank 0: 'epochs = 3' instead of 'epochs = 2'"))
        << error;
  }
  errors = run_ranks(
      2, [&](Group& group) { train_as(group, small_recipe({"training.accumulate=2"}), "cpu", true); });
  for (const std::string& error : errors) EXPECT_TRUE(contains(error, "on the CPU only")) << error;
  errors = run_ranks(
      3, [&](Group& group) { train_as(group, small_recipe({"training.batch_size=2"}), "cpu", false); });
  for (const std::string& error : errors) EXPECT_TRUE(contains(error, "training.batch_size")) << error;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "refused"));
}

TEST_F(ParallelTraining, OtherDataInOneRankIsRefusedByAll) {
  const ArithmeticScope one_thread(1);
  const TemporaryFolder other;
  write_pattern_set(other.path(), 60, 23);
  const auto errors = run_ranks(3, [&](Group& group) {
    Recorder recorder;
    TrainingRequest request;
    request.recipe = small_recipe();
    request.run_path = folder_ / "refused";
    request.data_dir = group.rank() == 1 ? other.path() : data_;
    request.threads = 1;
    request.group = &group;
    try {
      train(request, recorder);
    } catch (const std::exception& error) {
      EXPECT_EQ(parallel::exit_code_of(error), 3) << error.what();
      throw;
    }
  });
  for (const std::string& error : errors) {
    EXPECT_TRUE(contains(error, "rank 1 has other data than rank 0, in " + other.path())) << error;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "refused"));
}

TEST_F(ParallelTraining, AFailureOfRankZeroReachesAll) {
  std::filesystem::create_directories(folder_ / "taken");
  std::ofstream(folder_ / "taken/model.safetensors") << "somebody's";
  const auto errors = train_with(3, small_recipe(), folder_ / "taken");
  EXPECT_TRUE(contains(errors[0], "already holds a model.safetensors")) << errors[0];
  for (const std::size_t rank : {1u, 2u}) {
    EXPECT_TRUE(contains(errors[rank], "rank 0 (")) << errors[rank];
    EXPECT_TRUE(contains(errors[rank], "already holds a model.safetensors")) << errors[rank];
  }
}

TEST(Accumulate, IsRefusedWhereStatisticsNeedTheWholeBatch) {
  EXPECT_TRUE(contains(message_of<ConfigError>([] {
                         small_recipe({"norm.kind=tdbn", "training.accumulate=2"});
                       }),
                       "training.accumulate"));
}

}  // namespace
}  // namespace training_test
}  // namespace spikeloom::train
