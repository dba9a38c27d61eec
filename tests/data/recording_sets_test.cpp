#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/loader.h"
#include "spikeloom/data/registry.h"

namespace spikeloom::data {
namespace {

DataSettings settings_for(const std::string& dataset) {
  DataSettings settings;
  settings.dataset = dataset;
  settings.window_us = 1000;
  return settings;
}

/// A recording that says its number: one on-event at (number % 34, number / 34), one off-event 1 ms later.
std::vector<MadeEvent> numbered(int number) {
  const auto x = static_cast<std::uint8_t>(number % 34), y = static_cast<std::uint8_t>(number / 34);
  return {{500, x, y, 1}, {1500, x, y, 0}};
}

int number_of(const Dataset& dataset, std::int64_t index) {
  const auto sample = read_sample(dataset, index);
  const std::int64_t width = dataset.shape().width;
  for (std::int64_t p = 0; p < dataset.shape().height * width; ++p) {
    if (sample[static_cast<std::size_t>(p * 2 + 1)] == 1.0f)
      return static_cast<int>(p / width * 34 + p % width);
  }
  return -1;
}

std::vector<int> numbers_of(const Dataset& dataset) {
  std::vector<int> numbers;
  for (std::int64_t i = 0; i < dataset.size(); ++i) numbers.push_back(number_of(dataset, i));
  return numbers;
}

void write_nmnist(const std::string& root, int training, int test) {
  for (int i = 1; i <= training; ++i)
    write_bytes(nmnist_path(root, "Train", i * 7 % 10, i), atis_bytes(numbered(i)));
  for (int i = 1; i <= test; ++i)
    write_bytes(nmnist_path(root, "Test", i * 3 % 10, i), atis_bytes(numbered(i)));
}

std::vector<int> range(int first, int last) {
  std::vector<int> numbers;
  for (int i = first; i < last; ++i) numbers.push_back(i);
  return numbers;
}

TEST(NMnist, RecordingsComeInTheOrderOfTheirNumbers) {
  const TemporaryFolder folder;
  write_nmnist(folder / "N-MNIST", 25, 11);
  write_bytes(folder / "N-MNIST/Train/3/notes.txt", {1, 2, 3});
  DataSettings settings = settings_for("n-mnist");
  settings.validation_samples = 5;
  const DataSplits splits = open_dataset(settings, 2, folder.path().string());
  EXPECT_EQ(numbers_of(*splits.train), range(1, 21));
  EXPECT_EQ(numbers_of(*splits.validation), range(21, 26));
  EXPECT_EQ(numbers_of(*splits.require_test()), range(1, 12));
  EXPECT_EQ(splits.train->label(3), 4 * 7 % 10);
  EXPECT_EQ(splits.test->label(3), 4 * 3 % 10);
  EXPECT_EQ(splits.train->origin(3).for_people(), "00004.bin");
  EXPECT_EQ(splits.train->origin(3).name, "00004.bin 4 ") << "fingerprints of runs hold it";
  const SampleShape shape = splits.train->shape();
  EXPECT_EQ(shape.num_steps, 2);
  EXPECT_EQ(shape.channels, 2);
  EXPECT_EQ(shape.height, 34);
  EXPECT_FALSE(shape.is_static);
  EXPECT_TRUE(contains(splits.description, "25 of 60,000 recordings")) << splits.description;
  EXPECT_TRUE(contains(splits.description, "11 of 10,000 recordings in Test")) << splits.description;
}

TEST(NMnist, WithoutTestPartOnlyAskingForItThrows) {
  const TemporaryFolder folder;
  write_nmnist(folder / "nmnist", 4, 0);
  const DataSplits splits = open_dataset(settings_for("n-mnist"), 2, folder.path().string());
  EXPECT_EQ(splits.test, nullptr);
  EXPECT_TRUE(contains(splits.description, "no test part"));
  const std::string message = message_of<DataError>([&] { splits.require_test(); });
  EXPECT_TRUE(contains(message, folder / "nmnist"));
  EXPECT_TRUE(contains(message, "Test/<digit>"));
  EXPECT_TRUE(contains(message, "garrickorchard.com"));
}

TEST(NMnist, OneNumberInTwoFoldersIsRefused) {
  const TemporaryFolder folder;
  write_nmnist(folder / "nmnist", 4, 0);
  write_bytes(nmnist_path(folder / "nmnist", "Train", 9, 2), atis_bytes(numbered(2)));
  EXPECT_TRUE(contains(
      message_of<DataError>([&] { open_dataset(settings_for("n-mnist"), 2, folder.path().string()); }),
      "/9/00002.bin"));
}

TEST(NMnist, SettingsReachTheBinning) {
  const TemporaryFolder folder;
  const std::vector<MadeEvent> events = {{0, 4, 6, 1}, {10, 4, 6, 1}, {20, 5, 7, 1}, {2500, 4, 6, 0}};
  write_bytes(nmnist_path(folder / "nmnist", "Train", 0, 1), atis_bytes(events));
  const auto sample_with = [&](const std::function<void(DataSettings&)>& change, int num_steps) {
    DataSettings settings = settings_for("n-mnist");
    change(settings);
    const DataSplits splits = open_dataset(settings, num_steps, folder.path().string());
    const SampleShape shape = splits.train->shape();
    const auto sample = read_sample(*splits.train, 0);
    EXPECT_EQ(static_cast<std::int64_t>(sample.size()), num_steps * shape.height * shape.width * 2);
    return [sample, shape](std::int64_t t, std::int64_t y, std::int64_t x, std::int64_t p) {
      return sample[static_cast<std::size_t>(((t * shape.height + y) * shape.width + x) * 2 + p)];
    };
  };
  const auto windows = sample_with([](DataSettings&) {}, 3);
  EXPECT_EQ(windows(0, 6, 4, 1), 2.0f);
  EXPECT_EQ(windows(0, 7, 5, 1), 1.0f);
  EXPECT_EQ(windows(2, 6, 4, 0), 1.0f);
  EXPECT_EQ(windows(1, 6, 4, 1), 0.0f);
  EXPECT_EQ(sample_with([](DataSettings& s) { s.binary_bins = true; }, 3)(0, 6, 4, 1), 1.0f);
  EXPECT_EQ(sample_with([](DataSettings& s) { s.window_us = 10; }, 3)(0, 6, 4, 1), 1.0f);
  EXPECT_EQ(sample_with([](DataSettings& s) { s.downsample = 2; }, 3)(0, 3, 2, 1), 3.0f);
  EXPECT_EQ(sample_with(
                [](DataSettings& s) {
                  s.downsample = 2;
                  s.downsampling = Downsampling::kStride;
                },
                3)(0, 3, 2, 1),
            2.0f);
  EXPECT_EQ(sample_with([](DataSettings& s) { s.slicing = Slicing::kEqualTime; }, 2)(1, 6, 4, 0), 1.0f);
  const auto counts = sample_with([](DataSettings& s) { s.slicing = Slicing::kEqualCount; }, 2);
  EXPECT_EQ(counts(0, 6, 4, 1), 2.0f);
  EXPECT_EQ(counts(1, 7, 5, 1), 1.0f);
  EXPECT_EQ(counts(1, 6, 4, 0), 1.0f);
}

TEST(NMnist, ShiftAndFlipMoveTheFrames) {
  const TemporaryFolder folder;
  write_bytes(nmnist_path(folder / "nmnist", "Train", 0, 1), atis_bytes({{0, 33, 1, 1}, {1200, 10, 20, 0}}));
  DataSettings settings = settings_for("n-mnist");
  settings.max_shift = 2;
  settings.horizontal_flip = true;
  const DataSplits splits = open_dataset(settings, 2, folder.path().string());
  std::set<std::int64_t> shifts_x, shifts_y;
  std::set<bool> flips;
  for (std::int64_t epoch = 0; epoch < 80; ++epoch) {
    const AugmentKey key{3, epoch};
    RandomStream stream(3, RandomPurpose::kAugment, 0, static_cast<std::uint64_t>(epoch));
    const auto dx = static_cast<std::int64_t>(stream.below(5)) - 2,
               dy = static_cast<std::int64_t>(stream.below(5)) - 2;
    const bool flip = stream.uniform() < 0.5f;
    shifts_x.insert(dx);
    shifts_y.insert(dy);
    flips.insert(flip);
    std::vector<float> expected(2 * 34 * 34 * 2, 0.0f);
    const auto put = [&](std::int64_t t, std::int64_t x, std::int64_t y, std::int64_t polarity) {
      x += dx;
      y += dy;
      if (x < 0 || x >= 34 || y < 0 || y >= 34) return;
      if (flip) x = 33 - x;
      expected[static_cast<std::size_t>(((t * 34 + y) * 34 + x) * 2 + polarity)] = 1.0f;
    };
    put(0, 33, 1, 1);
    put(1, 10, 20, 0);
    ASSERT_EQ(read_sample(*splits.train, 0, &key), expected) << "epoch " << epoch;
  }
  EXPECT_EQ(shifts_x.size(), 5u);
  EXPECT_EQ(shifts_y.size(), 5u);
  EXPECT_EQ(flips.size(), 2u);
}

TEST(NMnist, RefusesWhatDoesNotApplyOrIsOutOfRange) {
  const TemporaryFolder folder;
  write_nmnist(folder / "nmnist", 4, 0);
  const auto message = [&](const std::function<void(DataSettings&)>& change, int num_steps = 2) {
    DataSettings settings = settings_for("n-mnist");
    change(settings);
    return message_of<ConfigError>([&] { open_dataset(settings, num_steps, folder.path().string()); });
  };
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.split = "paper"; }), "default, random"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.standardize = true; }), "data.standardize"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.crop_padding = 4; }), "max_shift"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.cutout = 4; }), "data.cutout"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.brightness = 0.1; }), "data.brightness"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.contrast = 0.1; }), "data.contrast"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.saturation = 0.1; }), "data.saturation"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.window_us = 0; }), "data.window_us"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.downsample = 35; }), "34 x 34"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.max_shift = 34; }), "data.max_shift"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.max_shift = -1; }), "data.max_shift"));
  EXPECT_TRUE(
      contains(message([](DataSettings& s) { s.validation_samples = 4; }), "4 training samples found"));
  EXPECT_TRUE(contains(message([](DataSettings&) {}, 0), "time step"));
}

TEST(NMnist, ADamagedRecordingIsNamedWhenItIsRead) {
  const TemporaryFolder folder;
  write_nmnist(folder / "nmnist", 30, 0);
  const std::string path = nmnist_path(folder / "nmnist", "Train", 12 * 7 % 10, 12);
  Bytes bytes = atis_bytes(numbered(12));
  bytes.pop_back();
  write_bytes(path, bytes);
  const DataSplits splits = open_dataset(settings_for("n-mnist"), 2, folder.path().string());
  LoaderSettings loading;
  loading.batch_size = 5;
  loading.workers = 2;
  Loader loader(splits.train, loading);
  EXPECT_NE(loader.next(), nullptr);
  EXPECT_NE(loader.next(), nullptr);
  EXPECT_TRUE(contains(message_of<FormatError>([&] { loader.next(); }), path));

  write_bytes(path, atis_bytes({{0, 34, 0, 1}}));
  EXPECT_TRUE(contains(message_of<FormatError>([&] { read_sample(*splits.train, 11); }), path));
  std::filesystem::remove(path);
  EXPECT_TRUE(contains(message_of<DataError>([&] { read_sample(*splits.train, 11); }), path));
}

TEST(Recordings, WhatStaysInMemoryIsTheSame) {
  const TemporaryFolder folder;
  write_nmnist(folder / "nmnist", 40, 0);
  DataSettings settings = settings_for("n-mnist");
  settings.max_shift = 1;
  RecordingFormat format = recording_format(nmnist_source().info, settings, 2, {}, 34, 34);
  format.reader = [](const Recording& recording, ReadNotes&) {
    const Bytes bytes = read_bytes(recording.path);
    return events::EventStream{34, 34, {{0, bytes.at(0), bytes.at(1), 1}}};
  };
  std::vector<Recording> recordings;
  for (int i = 1; i <= 40; ++i) {
    recordings.push_back({nmnist_path(folder / "nmnist", "Train", i * 7 % 10, i), i, i * 7 % 10, ""});
  }
  const auto make = [&](std::int64_t memory_bytes) {
    return std::make_shared<const RecordingDataset>("n-mnist", nmnist_source().info.class_names, recordings,
                                                    format, memory_bytes);
  };
  const auto cached = make(kFrameMemoryBytes), read_each_time = make(0);
  const AugmentKey key{5, 1};
  std::vector<std::vector<float>> first;
  for (std::int64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(read_sample(*cached, i, &key), read_sample(*read_each_time, i, &key));
    first.push_back(read_sample(*cached, i));
    EXPECT_EQ(first.back(), read_sample(*read_each_time, i));
  }
  // From here on only the memory knows the recordings.
  std::filesystem::remove_all(folder / "nmnist");
  for (std::int64_t i = 0; i < 40; ++i)
    EXPECT_EQ(read_sample(*cached, i), first[static_cast<std::size_t>(i)]);
  EXPECT_ANY_THROW(read_sample(*read_each_time, 0));
}

const std::vector<std::string> kClasses = {"airplane", "automobile", "bird",  "cat",  "deer",
                                           "dog",      "frog",       "horse", "ship", "truck"};

/// Recording n of class c: one on-event at (c, 0), then as many off-events at (1, 1 + c) as n / 10 + 1.
void write_dvs_cifar10(const std::string& root, const std::vector<int>& numbers) {
  for (std::size_t c = 0; c < kClasses.size(); ++c) {
    for (const int n : numbers) {
      std::vector<MadeEvent> events = {{100, static_cast<std::uint8_t>(c), 0, 1}};
      for (int i = 0; i <= n / 10; ++i) events.push_back({200, 1, static_cast<std::uint8_t>(1 + c), 0});
      write_bytes(root + "/" + kClasses[c] + "/cifar10_" + kClasses[c] + "_" + std::to_string(n) + ".aedat",
                  aedat2_bytes(events));
    }
  }
}

struct DvsRecording {
  int label, tens;
  bool operator<(const DvsRecording& other) const {
    return std::make_pair(label, tens) < std::make_pair(other.label, other.tens);
  }
};

DvsRecording dvs_recording(const Dataset& dataset, std::int64_t index) {
  const auto sample = read_sample(dataset, index);
  const int label = dataset.label(index);
  EXPECT_EQ(sample[static_cast<std::size_t>(label * 2 + 1)], 1.0f);
  return {label, static_cast<int>(sample[static_cast<std::size_t>(((1 + label) * 128 + 1) * 2)]) - 1};
}

std::set<DvsRecording> dvs_recordings(const Dataset& dataset) {
  std::set<DvsRecording> all;
  for (std::int64_t i = 0; i < dataset.size(); ++i) all.insert(dvs_recording(dataset, i));
  EXPECT_EQ(static_cast<std::int64_t>(all.size()), dataset.size());
  return all;
}

TEST(DvsCifar10, DefaultSplitGoesByNumber) {
  const TemporaryFolder folder;
  write_dvs_cifar10(folder / "CIFAR10DVS", {0, 10, 100, 899, 900, 999});
  DataSettings settings = settings_for("dvs-cifar10");
  settings.validation_samples = 10;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  ASSERT_EQ(splits.train->size(), 30);
  ASSERT_EQ(splits.validation->size(), 10);
  ASSERT_EQ(splits.require_test()->size(), 20);
  EXPECT_EQ(splits.train->shape().height, 128);
  for (std::int64_t i = 0; i < 30; ++i) {
    EXPECT_EQ(splits.train->label(i), i % 10);
    EXPECT_EQ(dvs_recording(*splits.train, i).tens, i < 10 ? 0 : i < 20 ? 1 : 10);
  }
  for (std::int64_t i = 0; i < 10; ++i) EXPECT_EQ(dvs_recording(*splits.validation, i).tens, 89);
  for (std::int64_t i = 0; i < 20; ++i) EXPECT_EQ(dvs_recording(*splits.test, i).tens, i < 10 ? 90 : 99);
  EXPECT_TRUE(contains(splits.description, "60 of 10,000 recordings")) << splits.description;
  EXPECT_TRUE(contains(splits.description, "numbers 900 to 999")) << splits.description;
}

TEST(DvsCifar10, PaperSplitDrawsOneFifthOfEachClass) {
  const TemporaryFolder folder;
  std::vector<int> numbers;
  for (int n = 0; n < 1000; n += 50) numbers.push_back(n);
  write_dvs_cifar10(folder / "dvs-cifar10", numbers);
  DataSettings settings = settings_for("dvs-cifar10");
  settings.split = "paper";
  settings.validation_samples = 20;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  const auto train = dvs_recordings(*splits.train), validation = dvs_recordings(*splits.validation);
  const auto test = dvs_recordings(*splits.require_test());
  EXPECT_EQ(train.size(), 140u);
  EXPECT_EQ(validation.size(), 20u);
  EXPECT_EQ(test.size(), 40u);
  std::set<DvsRecording> all = train;
  all.insert(validation.begin(), validation.end());
  all.insert(test.begin(), test.end());
  EXPECT_EQ(all.size(), 200u);
  std::map<int, int> per_class;
  std::set<int> tens;
  for (const DvsRecording& recording : test) {
    ++per_class[recording.label];
    tens.insert(recording.tens);
  }
  for (int c = 0; c < 10; ++c) EXPECT_EQ(per_class[c], 4);
  EXPECT_GT(tens.size(), 8u) << "the classes are drawn alike";

  const auto test_again = [&] { return open_dataset(settings, 1, folder.path().string()).test; };
  const auto same = dvs_recordings(*test_again());
  EXPECT_TRUE(std::equal(same.begin(), same.end(), test.begin(),
                         [](const auto& a, const auto& b) { return !(a < b) && !(b < a); }));
  settings.split_seed = 2;
  const auto other = dvs_recordings(*test_again());
  EXPECT_FALSE(std::equal(other.begin(), other.end(), test.begin(),
                          [](const auto& a, const auto& b) { return !(a < b) && !(b < a); }));
}

TEST(DvsCifar10, ThePapersReductionGives42Pixels) {
  const TemporaryFolder folder;
  write_dvs_cifar10(folder / "dvs-cifar10", {0, 950});
  DataSettings settings = settings_for("dvs-cifar10");
  settings.downsample = 3;
  settings.downsampling = Downsampling::kStride;
  const DataSplits splits = open_dataset(settings, 10, folder.path().string());
  const SampleShape shape = splits.train->shape();
  EXPECT_EQ(shape.width, 42);
  EXPECT_EQ(shape.height, 42);
  EXPECT_EQ(shape.num_steps, 10);
  // Class 3's on-event lies at (3, 0), class 4's at (4, 0), which no multiple of 3 keeps.
  EXPECT_EQ(read_sample(*splits.train, 3)[1 * 2 + 1], 1.0f);
  const auto class_4 = read_sample(*splits.train, 4);
  EXPECT_EQ(std::count_if(class_4.begin(), class_4.end(), [](float v) { return v != 0.0f; }), 0);
}

TEST(DvsCifar10, WithoutTestNumbersThereIsNoTestPart) {
  const TemporaryFolder folder;
  write_dvs_cifar10(folder / "dvs-cifar10", {0, 1});
  const DataSplits splits = open_dataset(settings_for("dvs-cifar10"), 1, folder.path().string());
  EXPECT_EQ(splits.test, nullptr);
  EXPECT_TRUE(contains(message_of<DataError>([&] { splits.require_test(); }), "numbers 900 to 999"));
  DataSettings settings = settings_for("dvs-cifar10");
  settings.split = "official";
  EXPECT_TRUE(contains(message_of<ConfigError>([&] { open_dataset(settings, 1, folder.path().string()); }),
                       "default, random, paper"));
}

}  // namespace
}  // namespace spikeloom::data
