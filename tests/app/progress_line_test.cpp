#include "app/progress_line.h"

#include <gtest/gtest.h>

#include "app/output.h"
#include "tests/app/program.h"

namespace spikeloom::app {
namespace {

using testing::contains;

train::TrainingProgress progress() {
  train::TrainingProgress now;
  now.epoch = 99;
  now.epochs = 400;
  now.iteration = 45;
  now.iterations = 100;
  now.mean_loss = 0.49342;
  now.mean_accuracy = 0.8243;
  now.samples_per_s = 12345.0;
  now.seconds_left = 3661.0;
  return now;
}

TEST(ProgressLine, FitsAnyWidthAndAlwaysSaysWhatIsLeft) {
  for (const double left : {5.0, 3661.0, 345000.0, 950400.0, 1e12}) {
    for (std::size_t width = 20; width <= 200; ++width) {
      auto now = progress();
      now.seconds_left = left;
      const std::string line = progress_line(now, width);
      EXPECT_LT(line.size(), width) << line;
      EXPECT_TRUE(contains(line, " left")) << line;
      EXPECT_TRUE(contains(line, "45%")) << line;
    }
  }
}

TEST(ProgressLine, SaysAsMuchAsThereIsRoomFor) {
  EXPECT_EQ(progress_line(progress(), 120),
            "epoch 100/400 [=========>          ]  45%  loss 0.4934  accuracy 82.4 %  12345 samples/s  "
            "1:01:01 left");
  EXPECT_EQ(progress_line(progress(), 80),
            "epoch 100/400 [====>     ]  45%  loss 0.4934  accuracy 82.4 %  1:01:01 left");
  EXPECT_EQ(progress_line(progress(), 40), "epoch 100/400  45%  1:01:01 left");
  EXPECT_EQ(progress_line(progress(), 25), "45% 1:01:01 left");
}

TEST(ProgressLine, CountsDaysWhereHoursSayNothing) {
  auto now = progress();
  now.seconds_left = 11 * 86400.0;
  EXPECT_EQ(progress_line(now, 40), "epoch 100/400  45%  11 days left");
}

TEST(RoughDuration, HasOneUnit) {
  EXPECT_EQ(rough_duration(42.4), "42 seconds");
  EXPECT_EQ(rough_duration(119.0), "2 minutes");
  EXPECT_EQ(rough_duration(4000.0), "67 minutes");
  EXPECT_EQ(rough_duration(12600.0), "3.5 hours");
  EXPECT_EQ(rough_duration(11 * 86400.0), "11 days");
  EXPECT_EQ(rough_duration(0.0), "0 seconds");
}

}  // namespace
}  // namespace spikeloom::app
