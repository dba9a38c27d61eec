// Transforms of a data set's recordings: which act when, and on what.
#include <gtest/gtest.h>

#include <set>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/data/registry.h"

namespace spikeloom::data {
namespace {

/// Events at (x, 3), one a millisecond, on.
std::vector<MadeEvent> row_of(int count) {
  std::vector<MadeEvent> events;
  for (int i = 0; i < count; ++i) {
    events.push_back({static_cast<std::uint32_t>(1000 * i), static_cast<std::uint8_t>(2 * i), 3, 1});
  }
  return events;
}

class RecordingTransforms : public ::testing::Test {
 protected:
  RecordingTransforms() {
    for (int i = 1; i <= 4; ++i) {
      write_bytes(nmnist_path(folder_ / "nmnist", "Train", 1, i), atis_bytes(row_of(10)));
    }
    write_bytes(nmnist_path(folder_ / "nmnist", "Test", 1, 1), atis_bytes(row_of(10)));
  }

  DataSplits open(const std::vector<std::string>& transforms, int downsample = 1, int num_steps = 1) {
    DataSettings settings;
    settings.dataset = "n-mnist";
    settings.window_us = 1000000;
    settings.transforms = transforms;
    settings.downsample = downsample;
    return open_dataset(settings, num_steps, folder_.path().string());
  }

  static float total(const std::vector<float>& sample) {
    float sum = 0;
    for (const float count : sample) sum += count;
    return sum;
  }

  TemporaryFolder folder_;
};

TEST_F(RecordingTransforms, FixedOnesActOnEverySampleBeforeBinning) {
  const DataSplits splits = open({"crop(x=2, y=3, width=8, height=1)", "flip_left_right(probability=1)"});
  const SampleShape shape = splits.train->shape();
  EXPECT_EQ(shape.width, 8);
  EXPECT_EQ(shape.height, 1);
  // x = 2, 4, 6, 8 -> 0, 2, 4, 6 -> 7, 5, 3, 1.
  const std::vector<float> expected = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  const AugmentKey key{1, 0};
  EXPECT_EQ(read_sample(*splits.train, 0), expected);
  EXPECT_EQ(read_sample(*splits.train, 0, &key), expected);
  EXPECT_EQ(read_sample(*splits.require_test(), 0), expected);
  EXPECT_EQ(open({"crop(width=8, height=4)"}, 2).train->shape().width, 4);
}

TEST_F(RecordingTransforms, RandomOnesActInTrainingOnlyAndAnewInEachEpoch) {
  const DataSplits splits = open({"drop_hot_pixels(rate_hz=1e6)", "roll(right=0..33)"});
  const DataSplits plain = open({});
  const std::vector<float> fixed = read_sample(*plain.train, 0);
  EXPECT_EQ(read_sample(*splits.train, 0), fixed);
  EXPECT_EQ(read_sample(*splits.require_test(), 0), fixed);
  std::set<std::vector<float>> seen;
  for (std::int64_t epoch = 0; epoch < 30; ++epoch) {
    const AugmentKey key{7, epoch};
    const std::vector<float> sample = read_sample(*splits.train, 0, &key);
    EXPECT_EQ(total(sample), 10.0f);
    EXPECT_EQ(sample, read_sample(*splits.train, 0, &key)) << "the same key, another sample";
    seen.insert(sample);
  }
  EXPECT_GT(seen.size(), 10u);
  // What is kept in memory stays untouched by them.
  EXPECT_EQ(read_sample(*splits.train, 0), fixed);
  const AugmentKey key{7, 0};
  std::set<std::vector<float>> samples;
  for (std::int64_t i = 0; i < 4; ++i) samples.insert(read_sample(*splits.train, i, &key));
  EXPECT_GT(samples.size(), 1u);  // equal recordings, numbers of their own
}

TEST_F(RecordingTransforms, StepsByCountReachTheBinning) {
  DataSettings settings;
  settings.dataset = "n-mnist";
  settings.slicing = Slicing::kCount;
  settings.events_per_step = 4;
  settings.overlap_events = 1;
  const DataSplits splits = open_dataset(settings, 2, folder_.path().string());
  EXPECT_EQ(total(read_sample(*splits.train, 0)), 8.0f);
  settings.slicing = Slicing::kWindow;  // [0, 3000), [2000, 5000) us
  settings.window_us = 3000;
  settings.overlap_us = 1000;
  EXPECT_EQ(total(read_sample(*open_dataset(settings, 2, folder_.path().string()).train, 0)), 6.0f);
  settings.overlap_us = 3000;
  EXPECT_THROW(open_dataset(settings, 2, folder_.path().string()), ConfigError);
}

TEST_F(RecordingTransforms, WhatDoesNotFitIsRefusedWithItsKey) {
  const auto message = [&](const std::vector<std::string>& transforms, int downsample = 1) {
    return message_of<ConfigError>([&] { open(transforms, downsample); });
  };
  EXPECT_TRUE(contains(message({"rotat"}), "data.transforms"));
  EXPECT_TRUE(contains(message({"random_crop(width=35, height=3)"}), "does not fit into 34 x 34"));
  EXPECT_TRUE(contains(message({"crop(width=5, height=5)"}, 6), "5 x 5 pixels after its transforms"));
  EXPECT_TRUE(
      contains(message_of<DataError>([&] {
                 read_sample(*open({"skew_time(coefficient=1e12)", "skew_time(coefficient=1e12)"}).train, 0);
               }),
               "00001.bin"));
}

TEST(StillImages, HaveNoTransforms) {
  DataSettings settings;
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 30, 5);
  settings.dataset = "mnist";
  settings.transforms = {"align_time"};
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { open_dataset(settings, 1, folder.path().string()); }),
                       "data.transforms"));
}

}  // namespace
}  // namespace spikeloom::data
