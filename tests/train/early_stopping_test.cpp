#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;
using testing::Recorder;
using testing::resume_training;
using testing::run_training;
using testing::small_recipe;

class EarlyStopping : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_pattern_set(data_, 60, 20); }
  /// A network that does not learn: the first epoch stays the best.
  static Recipe recipe(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"data.validation_samples=20", "training.epochs=20",
                               "optimizer.learning_rate=1e-12", "training.early_stopping_epochs=3"});
    return small_recipe(more);
  }
  const testing::TemporaryFolder folder_;
  const std::string data_ = folder_ / "data", run_ = folder_ / "run";
  Recorder recorder_;
};

TEST_F(EarlyStopping, EndsWhenValidationHasNotImprovedForSoManyEpochs) {
  const auto result = run_training(recipe(), run_, data_, recorder_);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.epochs, 4);
  EXPECT_EQ(recorder_.epochs.size(), 4u);
  EXPECT_TRUE(result.has_test);
  EXPECT_EQ(result.selection, "last epoch");
  EXPECT_TRUE(contains(to_json(result, recipe()), "\"stopped_early\": true"));
}

TEST_F(EarlyStopping, KeepsTheBestEpoch) {
  const auto result = run_training(recipe({"training.keep_best=true"}), run_, data_, recorder_);
  EXPECT_EQ(result.epochs, 4);
  EXPECT_EQ(result.selection, "best validation epoch (1)");
}

TEST_F(EarlyStopping, CountsOverSessions) {
  for (const std::int64_t iteration : {2, 4, 5, 7}) {  // three iterations an epoch
    SCOPED_TRACE(iteration);
    const std::string run = run_ + std::to_string(iteration);
    Recorder first, second;
    first.stop_at_iteration = iteration;
    run_training(recipe(), run, data_, first);
    const auto result = resume_training(run, data_, second);
    EXPECT_TRUE(result.stopped_early);
    EXPECT_EQ(result.epochs, 4);
  }
}

TEST_F(EarlyStopping, CanBeTakenBack) {
  run_training(recipe(), run_, data_, recorder_);
  Recorder second, third;
  const auto same = resume_training(run_, data_, second, {"training.epochs=30"});
  EXPECT_TRUE(same.nothing_left && same.stopped_early);
  const auto result =
      resume_training(run_, data_, third, {"training.early_stopping_epochs=0", "training.epochs=6"});
  EXPECT_FALSE(result.nothing_left || result.stopped_early);
  EXPECT_EQ(result.epochs, 6);
}

TEST_F(EarlyStopping, DoesNotEndATrainingThatGetsBetterOrIsOver) {
  const auto result = run_training(recipe({"training.epochs=3"}), run_, data_, recorder_);
  EXPECT_FALSE(result.stopped_early);
  EXPECT_EQ(result.epochs, 3);
}

TEST_F(EarlyStopping, NeedsValidationSamples) {
  const std::string message =
      message_of<ConfigError>([&] { small_recipe({"training.early_stopping_epochs=3"}); });
  EXPECT_TRUE(contains(message, "training.early_stopping_epochs")) << message;
  EXPECT_TRUE(contains(message, "data.validation_samples")) << message;
}

}  // namespace
}  // namespace spikeloom::train
