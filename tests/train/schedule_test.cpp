#include "spikeloom/train/recipe/schedule.h"

#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"

namespace spikeloom::train {
namespace {

constexpr int kEpochs = 120;
constexpr std::int64_t kPerEpoch = 10;

double rate(const ScheduleSettings& schedule, std::int64_t iteration, int epochs = kEpochs) {
  OptimizerSettings optimizer;
  optimizer.learning_rate = 0.1;
  return learning_rate_at(optimizer, schedule, epochs, kPerEpoch, iteration);
}

TEST(Schedule, ConstantStaysWhereItIs) {
  const ScheduleSettings schedule;
  for (const std::int64_t iteration : {0, 1, 599, 1199}) EXPECT_EQ(rate(schedule, iteration), 0.1);
}

TEST(Schedule, StepIsThePapersTenthEveryFortyEpochs) {
  ScheduleSettings schedule;
  schedule.kind = ScheduleSettings::kStep;
  EXPECT_EQ(rate(schedule, 0), 0.1);
  EXPECT_EQ(rate(schedule, 40 * kPerEpoch - 1), 0.1);
  EXPECT_NEAR(rate(schedule, 40 * kPerEpoch), 0.01, 1e-15);
  EXPECT_NEAR(rate(schedule, 80 * kPerEpoch - 1), 0.01, 1e-15);
  EXPECT_NEAR(rate(schedule, 80 * kPerEpoch), 0.001, 1e-15);
  EXPECT_NEAR(rate(schedule, 120 * kPerEpoch - 1), 0.001, 1e-15);
  schedule.step_epochs = 7;
  schedule.factor = 0.5;
  EXPECT_NEAR(rate(schedule, 21 * kPerEpoch), 0.0125, 1e-15);
}

TEST(Schedule, CosineFallsFromTheRateToItsFraction) {
  ScheduleSettings schedule;
  schedule.kind = ScheduleSettings::kCosine;
  EXPECT_EQ(rate(schedule, 0), 0.1);
  EXPECT_NEAR(rate(schedule, kEpochs * kPerEpoch / 4), 0.1 * 0.85355339059327373, 1e-15);
  EXPECT_NEAR(rate(schedule, kEpochs * kPerEpoch / 2), 0.05, 1e-15);
  EXPECT_NEAR(rate(schedule, kEpochs * kPerEpoch), 0.0, 1e-15);
  schedule.final_rate_fraction = 0.2;
  EXPECT_NEAR(rate(schedule, kEpochs * kPerEpoch / 2), 0.06, 1e-15);
  EXPECT_NEAR(rate(schedule, kEpochs * kPerEpoch), 0.02, 1e-15);
}

TEST(Schedule, WarmUpMultipliesWhateverTheKind) {
  ScheduleSettings schedule;
  schedule.warmup_epochs = 2.0;
  EXPECT_NEAR(rate(schedule, 0), 0.1 / 20.0, 1e-15);
  EXPECT_NEAR(rate(schedule, 9), 0.05, 1e-15);
  EXPECT_NEAR(rate(schedule, 19), 0.1, 1e-15);
  EXPECT_EQ(rate(schedule, 20), 0.1);
  schedule.kind = ScheduleSettings::kCosine;
  EXPECT_NEAR(rate(schedule, 9, 4), 0.5 * 0.1 * 0.5 * (1.0 + 0.76040596560003093), 1e-15);  // cos(pi 9 / 40)
  schedule.kind = ScheduleSettings::kConstant;
  schedule.warmup_epochs = 0.05;  // less than an iteration
  EXPECT_EQ(rate(schedule, 0), 0.1 / 0.5);
}

TEST(StepsSchedule, PhasesFollowEachOther) {
  Recipe recipe;
  recipe.network.num_steps = 8;
  EXPECT_EQ(num_steps_at(recipe, 0), 8);
  recipe.schedule.num_steps = " 1:2,2 : 1 ";
  const int want[] = {1, 1, 2, 8, 8};
  for (int epoch = 0; epoch < 5; ++epoch) EXPECT_EQ(num_steps_at(recipe, epoch), want[epoch]) << epoch;
}

TEST(StepsSchedule, WhatIsNoneIsNamed) {
  for (const char* text :
       {"1", "1:", ":3", "0:2", "2:0", "-1:2", "1:2,", "1:2;2:2", "1.5:2", "1:2:3", "99999999999:1"}) {
    try {
      parse_steps_schedule(text);
      ADD_FAILURE() << text;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find("is not part of a time schedule"), std::string::npos) << text;
    }
  }
}

}  // namespace
}  // namespace spikeloom::train
