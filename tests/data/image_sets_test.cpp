#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"
#include "spikeloom/data/registry.h"

namespace spikeloom::data {
namespace {

DataSettings settings_for(const std::string& dataset) {
  DataSettings settings;
  settings.dataset = dataset;
  return settings;
}

/// Number of the made IDX image that a sample is.
std::int64_t idx_number(const Dataset& dataset, std::int64_t index) {
  const auto sample = read_sample(dataset, index);
  for (const std::int64_t first : {0, 1000}) {
    for (std::int64_t image = first; image < first + 100; ++image) {
      bool same = true;
      for (std::int64_t i = 0; i < 28 * 28 && same; ++i) {
        same = sample[static_cast<std::size_t>(i)] ==
               static_cast<float>(made_grey(image, i / 28, i % 28)) / 255.0f;
      }
      if (same) return image;
    }
  }
  return -1;
}

std::vector<std::int64_t> idx_numbers(const Dataset& dataset) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < dataset.size(); ++i) numbers.push_back(idx_number(dataset, i));
  return numbers;
}

std::vector<std::int64_t> range(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = first; i < last; ++i) numbers.push_back(i);
  return numbers;
}

TEST(IdxImages, PlainSetIsReadInOrder) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 30, 12);
  const DataSplits splits = open_dataset(settings_for("mnist"), 4, folder.path().string());
  EXPECT_EQ(splits.root, folder / "mnist");
  EXPECT_EQ(splits.validation, nullptr);
  EXPECT_EQ(splits.train->name(), "mnist");
  const SampleShape shape = splits.train->shape();
  EXPECT_EQ(shape.num_steps, 1);
  EXPECT_TRUE(shape.is_static);
  EXPECT_EQ(shape.channels, 1);
  EXPECT_EQ(shape.height, 28);
  EXPECT_EQ(shape.width, 28);
  EXPECT_EQ(idx_numbers(*splits.train), range(0, 30));
  EXPECT_EQ(idx_numbers(*splits.require_test()), range(1000, 1012));
  EXPECT_EQ(splits.train->label(17), 7);
  EXPECT_EQ(splits.train->class_names().size(), 10u);
  EXPECT_TRUE(contains(splits.description, "30 of 60,000 training images")) << splits.description;
  EXPECT_TRUE(contains(splits.description, "12 test (official)")) << splits.description;
}

TEST(IdxImages, DefaultSplitHoldsTheLastOut) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 30, 5);
  DataSettings settings = settings_for("mnist");
  settings.validation_samples = 8;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  EXPECT_EQ(idx_numbers(*splits.train), range(0, 22));
  EXPECT_EQ(idx_numbers(*splits.validation), range(22, 30));
}

TEST(IdxImages, RandomSplitIsDisjointCompleteAndFollowsItsSeed) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 40, 5);
  DataSettings settings = settings_for("mnist");
  settings.split = "random";
  settings.validation_samples = 10;
  const auto parts = [&] {
    const DataSplits splits = open_dataset(settings, 1, folder.path().string());
    return std::make_pair(idx_numbers(*splits.train), idx_numbers(*splits.validation));
  };
  const auto first = parts();
  ASSERT_EQ(first.first.size(), 30u);
  ASSERT_EQ(first.second.size(), 10u);
  std::vector<std::int64_t> all = first.first;
  all.insert(all.end(), first.second.begin(), first.second.end());
  EXPECT_TRUE(std::is_sorted(first.first.begin(), first.first.end()));
  EXPECT_TRUE(std::is_sorted(first.second.begin(), first.second.end()));
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, range(0, 40));
  EXPECT_NE(first.second, range(30, 40));
  EXPECT_EQ(parts(), first);
  settings.split_seed = 2;
  EXPECT_NE(parts(), first);
}

TEST(IdxImages, LimitsTakeTheFirstAndLeaveValidationAlone) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 30, 10);
  DataSettings settings = settings_for("mnist");
  settings.validation_samples = 4;
  settings.train_limit = 6;
  settings.test_limit = 3;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  EXPECT_EQ(idx_numbers(*splits.train), range(0, 6));
  EXPECT_EQ(idx_numbers(*splits.validation), range(26, 30));
  EXPECT_EQ(idx_numbers(*splits.test), range(1000, 1003));
  EXPECT_TRUE(contains(splits.description, "6 of 26 training")) << splits.description;
  EXPECT_TRUE(contains(splits.description, "3 of 10 test")) << splits.description;
}

TEST(Cifar10, PlanesBecomePixels) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar-10-batches-bin", 6, 7);
  const DataSplits splits = open_dataset(settings_for("cifar10"), 1, folder.path().string());
  ASSERT_EQ(splits.train->size(), 30);
  ASSERT_EQ(splits.test->size(), 7);
  EXPECT_EQ(splits.train->class_names()[3], "cat");
  for (const std::int64_t i : {0, 13, 29}) {
    const auto sample = read_sample(*splits.train, i);
    EXPECT_EQ(splits.train->label(i), i % 10);
    std::size_t at = 0;
    for (std::int64_t y = 0; y < 32; ++y) {
      for (std::int64_t x = 0; x < 32; ++x) {
        for (std::int64_t c = 0; c < 3; ++c, ++at) {
          ASSERT_EQ(sample[at], static_cast<float>(made_colour(i, c, y, x)) / 255.0f);
        }
      }
    }
  }
}

TEST(Cifar10, StandardisingUsesTheWholeTrainingPart) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 4, 3);
  DataSettings settings = settings_for("cifar10");
  settings.standardize = true;
  settings.validation_samples = 5;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0.0, squares = 0.0, count = 0.0;
    for (const auto& part : {splits.train, splits.validation}) {
      for (std::int64_t i = 0; i < part->size(); ++i) {
        const auto sample = read_sample(*part, i);
        for (std::size_t p = c; p < sample.size(); p += 3) {
          sum += sample[p];
          squares += static_cast<double>(sample[p]) * sample[p];
          count += 1.0;
        }
      }
    }
    EXPECT_NEAR(sum / count, 0.0, 1e-6);
    EXPECT_NEAR(squares / count, 1.0, 1e-6);
  }
}

TEST(Cifar10, AlternatingFlipsShowASampleBothWaysInTwoEpochs) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 8, 3);
  DataSettings settings = settings_for("cifar10");
  settings.horizontal_flip = true;
  settings.crop_padding = 2;
  const auto read = [&](FlipOrder order, std::int64_t sample, std::int64_t epoch) {
    settings.flip_order = order;
    const AugmentKey key{11, epoch};
    return read_sample(*open_dataset(settings, 1, folder.path().string()).train, sample, &key);
  };
  // Of the same crop: mirrored in one of two epochs, and the first of them differs from sample to sample.
  int first_mirrored = 0;
  for (std::int64_t sample = 0; sample < 40; ++sample) {
    bool mirrored[4];
    for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
      RandomStream stream(11, RandomPurpose::kAugment, static_cast<std::uint64_t>(sample),
                          static_cast<std::uint64_t>(epoch));
      stream.below(5);
      stream.below(5);
      const bool random = stream.uniform() < 0.5f;
      const bool same =
          read(FlipOrder::kAlternating, sample, epoch) == read(FlipOrder::kRandom, sample, epoch);
      mirrored[epoch] = same == random;
    }
    EXPECT_NE(mirrored[0], mirrored[1]);
    EXPECT_EQ(mirrored[0], mirrored[2]);
    EXPECT_EQ(mirrored[1], mirrored[3]);
    first_mirrored += mirrored[0];
  }
  EXPECT_GT(first_mirrored, 10);
  EXPECT_LT(first_mirrored, 30);
}

TEST(Cifar10, CropAndFlipMoveTheImageAndPadWithBlack) {
  constexpr int kPadding = 4;
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 4, 3);
  DataSettings settings = settings_for("cifar10");
  settings.crop_padding = kPadding;
  settings.horizontal_flip = true;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  std::set<std::int64_t> rows, columns;
  int flips = 0;
  constexpr std::int64_t kEpochs = 60;
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const AugmentKey key{11, epoch};
    const auto sample = read_sample(*splits.train, 5, &key);
    RandomStream stream(11, RandomPurpose::kAugment, 5, static_cast<std::uint64_t>(epoch));
    const std::int64_t dy = stream.below(2 * kPadding + 1), dx = stream.below(2 * kPadding + 1);
    const bool flip = stream.uniform() < 0.5f;
    rows.insert(dy);
    columns.insert(dx);
    flips += flip;
    for (std::int64_t y = 0; y < 32; ++y) {
      for (std::int64_t x = 0; x < 32; ++x) {
        const std::int64_t from_y = y + dy - kPadding, from_x = (flip ? 31 - x : x) + dx - kPadding;
        const bool inside = from_y >= 0 && from_y < 32 && from_x >= 0 && from_x < 32;
        for (std::int64_t c = 0; c < 3; ++c) {
          const float expected =
              inside ? static_cast<float>(made_colour(5, c, from_y, from_x)) / 255.0f : 0.0f;
          ASSERT_EQ(sample[static_cast<std::size_t>((y * 32 + x) * 3 + c)], expected);
        }
      }
    }
  }
  EXPECT_EQ(rows.size(), 9u);
  EXPECT_EQ(columns.size(), 9u);
  EXPECT_GT(flips, 15);
  EXPECT_LT(flips, 45);
  const auto plain = read_sample(*splits.train, 5);
  EXPECT_EQ(plain[0], static_cast<float>(made_colour(5, 0, 0, 0)) / 255.0f);
}

TEST(Cifar10, PaddingIsABlackPixelAfterStandardising) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 4, 3);
  DataSettings settings = settings_for("cifar10");
  settings.crop_padding = 8;
  settings.standardize = true;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  settings.crop_padding = 0;
  settings.standardize = false;
  const DataSplits plain = open_dataset(settings, 1, folder.path().string());
  // value / 255 -> standardised is a line through two pixels of the image; black lies on it at 0.
  const auto raw = read_sample(*plain.train, 0), standard = read_sample(*splits.train, 0);
  const double slope = (standard[3 * 31] - standard[0]) / (raw[3 * 31] - raw[0]);
  const double black = standard[0] - slope * raw[0];
  for (std::int64_t epoch = 0;; ++epoch) {
    const AugmentKey key{1, epoch};
    RandomStream stream(1, RandomPurpose::kAugment, 0, static_cast<std::uint64_t>(epoch));
    if (stream.below(17) >= 8) continue;  // nothing of the top border is seen
    EXPECT_NEAR(read_sample(*splits.train, 0, &key)[0], black, 1e-5);
    EXPECT_LT(black, -1.0);
    break;
  }
}

TEST(Cifar10, SplitsShareTheirRawImagesAndTrainingAloneIsChanged) {
  const TemporaryFolder folder;
  write_cifar10_set(folder / "cifar10", 4, 3);
  DataSettings settings = settings_for("cifar10");
  settings.validation_samples = 5;
  settings.cutout = 16;
  settings.brightness = settings.contrast = settings.saturation = 0.5;
  const DataSplits splits = open_dataset(settings, 1, folder.path().string());
  const RawImages *train = splits.train->raw_images(), *validation = splits.validation->raw_images();
  ASSERT_TRUE(train != nullptr && validation != nullptr);
  EXPECT_EQ(train->pixels, validation->pixels);
  EXPECT_EQ(train->table, validation->table);
  EXPECT_EQ(train->count, 20);
  EXPECT_EQ(splits.test->raw_images()->count, 3);
  EXPECT_EQ(splits.validation->image_draw(0, nullptr).image, 15);
  EXPECT_EQ(train->pixels[1], made_colour(0, 1, 0, 0));
  EXPECT_EQ(train->table[2 * 256 + 51], 51.0f / 255.0f);
  const AugmentKey key{1, 1};
  const kernels::cuda::ImageDraw draw = splits.train->image_draw(2, &key);
  EXPECT_EQ(draw.cutout_height, 16);
  EXPECT_NE(draw.brightness, 1.0f);
  EXPECT_NE(draw.contrast, 1.0f);
  EXPECT_NE(draw.saturation, 1.0f);
  EXPECT_NE(read_sample(*splits.train, 2, &key), read_sample(*splits.train, 2));
  EXPECT_THROW(splits.train->image_draw(15, nullptr), ShapeError);
}

TEST(Images, RefusesWhatDoesNotApplyOrIsOutOfRange) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 10, 5);
  const auto message = [&](const std::function<void(DataSettings&)>& change) {
    DataSettings settings = settings_for("mnist");
    change(settings);
    return message_of<ConfigError>([&] { open_dataset(settings, 1, folder.path().string()); });
  };
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.split = "paper"; }), "default, random"));
  EXPECT_TRUE(
      contains(message([](DataSettings& s) { s.validation_samples = 10; }), "10 training samples found"));
  EXPECT_TRUE(
      contains(message([](DataSettings& s) { s.validation_samples = -1; }), "data.validation_samples"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.train_limit = -1; }), "data.train_limit"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.test_limit = -1; }), "data.test_limit"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.max_shift = 1; }), "crop_padding"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.crop_padding = 29; }), "28 x 28"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.cutout = 29; }), "data.cutout"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.cutout = -1; }), "data.cutout"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.brightness = -0.1; }), "data.brightness"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.contrast = 256.0; }), "data.contrast"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.saturation = std::nan(""); }), "data.saturation"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.saturation = 0.1; }), "grey images"));
  EXPECT_TRUE(contains(message([](DataSettings& s) { s.dataset = "emnist"; }),
                       "mnist, fashion-mnist, cifar10, n-mnist, dvs-cifar10"));
  const DataSplits splits = open_dataset(settings_for("mnist"), 1, folder.path().string());
  EXPECT_THROW(splits.train->label(10), ShapeError);
  EXPECT_THROW(splits.train->label(-1), ShapeError);
  EXPECT_THROW(read_sample(*splits.test, 5), ShapeError);
}

TEST(Images, DamagedFilesAreNamed) {
  const TemporaryFolder folder;
  write_idx_set(folder / "mnist", 10, 5);
  write_cifar10_set(folder / "cifar10", 2, 2);
  const auto message = [&](const std::string& dataset) {
    return message_of<FormatError>([&] { open_dataset(settings_for(dataset), 1, folder.path().string()); });
  };
  const std::string images = folder / "mnist/train-images-idx3-ubyte";
  const std::string labels = folder / "mnist/t10k-labels-idx1-ubyte";
  const Bytes good_images = read_bytes(images), good_labels = read_bytes(labels);

  write_bytes(images, Bytes(good_images.begin(), good_images.end() - 1));
  EXPECT_TRUE(contains(message("mnist"), images));
  write_bytes(images, idx_bytes({10, 27, 28}, Bytes(10 * 27 * 28, 1)));
  EXPECT_TRUE(contains(message("mnist"), "10, 27, 28"));
  write_bytes(images, idx_bytes({9, 28, 28}, Bytes(9 * 28 * 28, 1)));
  EXPECT_TRUE(contains(message("mnist"), "10 labels for the 9 images"));
  write_bytes(images, good_images);
  write_bytes(labels, idx_bytes({5}, {0, 1, 10, 3, 4}));
  EXPECT_TRUE(contains(message("mnist"), labels + ": byte 10: label 10"));
  write_bytes(labels, good_labels);
  EXPECT_NO_THROW(open_dataset(settings_for("mnist"), 1, folder.path().string()));

  const std::string batch = folder / "cifar10/data_batch_3.bin";
  const Bytes good_batch = read_bytes(batch);
  write_bytes(batch, Bytes(good_batch.begin(), good_batch.end() - 7));
  EXPECT_TRUE(contains(message("cifar10"), batch));
}

}  // namespace
}  // namespace spikeloom::data
