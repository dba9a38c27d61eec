#include "app/training_display.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "app/accuracy_curve.h"

namespace spikeloom::app {
namespace {

/// What a display writes into a file.
class TrainingDisplayTest : public ::testing::Test {
 protected:
  TrainingDisplayTest() : file_(std::tmpfile()) {}
  ~TrainingDisplayTest() override { std::fclose(file_); }
  std::string written() {
    std::rewind(file_);
    std::string text;
    char piece[1024];
    while (const std::size_t count = std::fread(piece, 1, sizeof piece, file_)) text.append(piece, count);
    return text;
  }
  std::FILE* file_;
  std::atomic<bool> stop_{false};
};

train::EpochReport report(int epoch, double accuracy) {
  train::EpochReport result;
  result.epoch = epoch;
  result.epochs = 3;
  result.has_validation = true;
  result.validation_accuracy = accuracy;
  result.slowest_stage = "conv2";
  result.slowest_share = 0.41;
  return result;
}

TEST_F(TrainingDisplayTest, EndsWithCurveSlowestStageAndWarnings) {
  TrainingDisplay display(file_, false, &stop_);
  display.epoch_ended(report(0, 0.1));
  display.epoch_ended(report(1, 0.9));
  auto last = report(2, 0.6);
  // The best was in an earlier session, and 0.9 in an epoch of fewer time steps.
  last.best_validation_accuracy = 0.75;
  display.epoch_ended(last);
  display.warned("layer conv9 does not fire");
  display.warned("layer conv9 does not fire");
  display.summarise();
  const std::string text = written();
  EXPECT_NE(text.find("curve    _@+  validation accuracy, best 75.00 %\n"), std::string::npos) << text;
  EXPECT_NE(text.find("slowest  conv2: 41 % of the time of all stages\n"), std::string::npos) << text;
  EXPECT_NE(text.find("the warning of this training once more:\n  layer conv9 does not fire\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("\n  layer conv9", text.find("once more") + 20), std::string::npos) << "not twice";
}

TEST_F(TrainingDisplayTest, SaysNothingWhereItIsToBeQuiet) {
  TrainingDisplay display(file_, true, &stop_);
  display.epoch_ended(report(0, 0.1));
  display.epoch_ended(report(1, 0.2));
  display.summarise();
  EXPECT_EQ(written(), "");
}

TEST(SmallCurve, HasACharacterAValue) {
  EXPECT_EQ(small_curve({0.0, 0.6, 1.0}, 10, false), "_+@");
  EXPECT_EQ(small_curve({0.0, 1.0}, 10, true), "\u2581\u2588");
  EXPECT_EQ(small_curve({5.0, 1.0, 2.0}, 2, false), "_@") << "the last two";
  EXPECT_EQ(small_curve({3.0, 3.0}, 9, false), "++") << "no range: the middle";
  EXPECT_EQ(small_curve({}, 9, true), "");
}

}  // namespace
}  // namespace spikeloom::app
