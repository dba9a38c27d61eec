// Random changes of still images: what is drawn, what comes out, and that the kernel that augments on a queue
// gives the very values of ImageDataset::read. tests/kernels/cuda compares that kernel with plain loops.
#include "spikeloom/kernels/cuda/augment_images.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "made_sets.h"
#include "spikeloom/base/random.h"
#include "spikeloom/data/datasets/image_dataset.h"

namespace spikeloom::data {
namespace {

using kernels::cuda::ImageDraw;

constexpr std::int64_t kImages = 20;

/// Random images without a black pixel, shown in reverse order.
class MadeImages {
 public:
  MadeImages(std::int64_t height, std::int64_t width, std::int64_t channels, bool standardized) {
    auto store = std::make_shared<ImageStore>();
    store->height = height;
    store->width = width;
    store->channels = channels;
    std::mt19937 generator(1);
    for (std::int64_t i = 0; i < kImages * height * width * channels; ++i) {
      store->pixels.push_back(static_cast<std::uint8_t>(1 + generator() % 255));
    }
    store->labels.assign(kImages, 0);
    table_ = std::make_shared<const PixelTable>(standardized ? standardizing_table(standardization_of(*store))
                                                             : plain_table(channels));
    store_ = store;
  }

  ImageDataset shown_with(const ImageAugmentation& augmentation) const {
    Indices indices;
    for (std::int64_t i = 0; i < kImages; ++i) indices.push_back(kImages - 1 - i);
    return ImageDataset("made", {}, store_, table_, nullptr, indices, augmentation);
  }
  const ImageStore& store() const { return *store_; }
  const PixelTable& table() const { return *table_; }

 private:
  std::shared_ptr<const ImageStore> store_;
  std::shared_ptr<const PixelTable> table_;
};

ImageAugmentation everything() { return {3, true, 4, 0.5, 0.75, 2.0}; }

TEST(AugmentImages, BatchOnAQueueEqualsRead) {
  for (const std::int64_t channels : {3, 1}) {
    const MadeImages images(7, 6, channels, true);
    const ImageAugmentation augmentations[] = {{},
                                               {3, true, 0, 0, 0, 0},
                                               {3, true, 5, 0, 0, 0},
                                               {0, false, 0, 0.4, 0, 0},
                                               {0, true, 0, 0, 0.4, 0},
                                               {0, false, 0, 0, 0, 0.4},
                                               everything()};
    for (const ImageAugmentation& augmentation : augmentations) {
      const ImageDataset dataset = images.shown_with(augmentation);
      const RawImages* const raw = dataset.raw_images();
      ASSERT_NE(raw, nullptr);
      EXPECT_EQ(raw->count, kImages);
      const std::int64_t values = raw->height * raw->width * raw->channels;
      const AugmentKey key{12, 34};
      for (const AugmentKey* augment : {static_cast<const AugmentKey*>(nullptr), &key}) {
        std::vector<ImageDraw> draws;
        std::vector<float> want, got(static_cast<std::size_t>(kImages * values));
        for (std::int64_t i = 0; i < kImages; ++i) {
          draws.push_back(dataset.image_draw(i, augment));
          EXPECT_EQ(draws.back().image, kImages - 1 - i);
          const auto sample = read_sample(dataset, i, augment);
          want.insert(want.end(), sample.begin(), sample.end());
        }
        // A batch in which nothing is coloured comes out the same with and without the steps for colours.
        std::vector<bool> colors = {true};
        if (augment == nullptr || !augmentation.changes_colors()) colors.push_back(false);
        for (const bool color : colors) {
          std::vector<float> workspace(
              static_cast<std::size_t>(kernels::cuda::augment_images_workspace(kImages)) / sizeof(float));
          kernels::cuda::augment_images({}, {raw->height, raw->width, raw->channels}, kImages, raw->pixels,
                                        draws.data(), raw->table, color, got.data(), workspace.data());
          EXPECT_EQ(got, want) << channels << " channels, cutout " << augmentation.cutout;
        }
      }
    }
  }
}

TEST(AugmentImages, NumbersAreDrawnInTheirOrderAndOnlyWhereNeeded) {
  const MadeImages images(9, 8, 3, false);
  for (int mask = 0; mask < 64; ++mask) {
    const auto is_on = [mask](int bit) { return (mask >> bit & 1) != 0; };
    const ImageAugmentation augmentation{is_on(0) ? 3 : 0,     is_on(1),
                                         is_on(2) ? 5 : 0,     is_on(3) ? 0.25 : 0.0,
                                         is_on(4) ? 0.5 : 0.0, is_on(5) ? 3.0 : 0.0};
    const ImageDataset dataset = images.shown_with(augmentation);
    const AugmentKey key{7, 2};
    const ImageDraw draw = dataset.image_draw(4, &key);
    RandomStream stream(7, RandomPurpose::kAugment, 4, 2);
    const auto below = [&](int on, std::uint32_t bound) {
      return is_on(on) ? static_cast<int>(stream.below(bound)) : 0;
    };
    const auto factor = [&](int on, float least, float most) {
      return is_on(on) ? least + (most - least) * stream.uniform() : 1.0f;
    };
    EXPECT_EQ(draw.offset_y, is_on(0) ? below(0, 7) - 3 : 0) << mask;
    EXPECT_EQ(draw.offset_x, is_on(0) ? below(0, 7) - 3 : 0) << mask;
    EXPECT_EQ(draw.mirrored, is_on(1) && stream.uniform() < 0.5f ? 1 : 0) << mask;
    EXPECT_EQ(draw.cutout_y, is_on(2) ? below(2, 9) - 2 : 0) << mask;
    EXPECT_EQ(draw.cutout_x, is_on(2) ? below(2, 8) - 2 : 0) << mask;
    EXPECT_EQ(draw.cutout_height, is_on(2) ? 5 : 0) << mask;
    EXPECT_EQ(draw.cutout_width, is_on(2) ? 5 : 0) << mask;
    EXPECT_FLOAT_EQ(draw.brightness, factor(3, 0.75f, 1.25f)) << mask;
    EXPECT_FLOAT_EQ(draw.contrast, factor(4, 0.5f, 1.5f)) << mask;
    EXPECT_FLOAT_EQ(draw.saturation, factor(5, 0.0f, 4.0f)) << mask;
    const ImageDraw plain = dataset.image_draw(4, nullptr);
    EXPECT_EQ(plain.cutout_height, 0);
    EXPECT_EQ(plain.brightness, 1.0f);
  }
}

TEST(AugmentImages, SampleDependsOnSeedEpochAndIndexOnly) {
  const MadeImages images(16, 16, 3, true);
  const ImageDataset dataset = images.shown_with(everything()), again = images.shown_with(everything());
  const AugmentKey key{1, 5}, next_epoch{1, 6}, other_seed{2, 5};
  const auto sample = read_sample(dataset, 3, &key);
  read_sample(dataset, 9, &next_epoch);
  EXPECT_EQ(read_sample(dataset, 3, &key), sample);
  EXPECT_EQ(read_sample(again, 3, &key), sample);
  EXPECT_NE(read_sample(dataset, 3, &next_epoch), sample);
  EXPECT_NE(read_sample(dataset, 3, &other_seed), sample);
  EXPECT_EQ(read_sample(dataset, 3), read_sample(images.shown_with({}), 3));
}

TEST(AugmentImages, CutoutIsASquareWhoseCentreIsAnywhere) {
  constexpr std::int64_t kHeight = 8, kWidth = 10;
  const MadeImages images(kHeight, kWidth, 3, false);
  const auto plain = read_sample(images.shown_with({}), 0);
  for (const int side : {1, 4, 5}) {
    const ImageDataset dataset = images.shown_with({0, false, side, 0, 0, 0});
    std::set<std::pair<std::int64_t, std::int64_t>> centres;
    std::int64_t whole = 0;
    constexpr std::int64_t kEpochs = 1500;
    for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
      const AugmentKey key{3, epoch};
      const ImageDraw draw = dataset.image_draw(0, &key);
      const auto sample = read_sample(dataset, 0, &key);
      const std::int64_t centre_y = draw.cutout_y + side / 2, centre_x = draw.cutout_x + side / 2;
      ASSERT_TRUE(centre_y >= 0 && centre_y < kHeight && centre_x >= 0 && centre_x < kWidth);
      centres.insert({centre_y, centre_x});
      std::int64_t cut = 0;
      for (std::int64_t y = 0; y < kHeight; ++y) {
        for (std::int64_t x = 0; x < kWidth; ++x) {
          const bool inside = y >= draw.cutout_y && y < draw.cutout_y + side && x >= draw.cutout_x &&
                              x < draw.cutout_x + side;
          cut += inside;
          for (std::int64_t c = 0; c < 3; ++c) {
            const auto at = static_cast<std::size_t>((y * kWidth + x) * 3 + c);
            ASSERT_EQ(sample[at], inside ? 0.0f : plain[at]);
          }
        }
      }
      ASSERT_GE(cut, (side / 2 + side % 2) * (side / 2 + side % 2));  // a quarter stays inside in a corner
      ASSERT_LE(cut, side * side);
      whole += cut == side * side;
    }
    EXPECT_EQ(centres.size(), static_cast<std::size_t>(kHeight * kWidth));
    const double inside =
        static_cast<double>((kHeight - side + 1) * (kWidth - side + 1)) / (kHeight * kWidth);
    EXPECT_NEAR(static_cast<double>(whole) / kEpochs, inside, 4.0 * std::sqrt(0.25 / kEpochs)) << side;
  }
}

TEST(AugmentImages, CutoutIsAMeanPixelAfterStandardising) {
  const MadeImages images(8, 8, 3, true);
  const AugmentKey key{3, 0};
  const auto sample = read_sample(images.shown_with({0, false, 4, 0, 0, 0}), 0, &key);
  EXPECT_GE(std::count(sample.begin(), sample.end(), 0.0f), 4 * 3);
}

TEST(AugmentImages, FactorsFillTheirRanges) {
  const MadeImages images(4, 4, 3, false);
  const ImageDataset dataset = images.shown_with({0, false, 0, 0.25, 1.0, 4.0});
  float least[3] = {9, 9, 9}, most[3] = {0, 0, 0};
  double sum[3] = {0, 0, 0};
  constexpr int kEpochs = 2000;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const AugmentKey key{5, epoch};
    const ImageDraw draw = dataset.image_draw(1, &key);
    const float factors[3] = {draw.brightness, draw.contrast, draw.saturation};
    for (int i = 0; i < 3; ++i) {
      least[i] = std::min(least[i], factors[i]);
      most[i] = std::max(most[i], factors[i]);
      sum[i] += factors[i];
    }
  }
  const float low[3] = {0.75f, 0.0f, 0.0f}, high[3] = {1.25f, 2.0f, 5.0f};
  for (int i = 0; i < 3; ++i) {
    const float width = high[i] - low[i];
    EXPECT_GE(least[i], low[i]) << i;
    EXPECT_LT(least[i], low[i] + 0.01f * width) << i;
    EXPECT_LE(most[i], high[i]) << i;
    EXPECT_GT(most[i], high[i] - 0.01f * width) << i;
    EXPECT_NEAR(sum[i] / kEpochs, 0.5 * (low[i] + high[i]), 0.03 * width) << i;
  }
}

TEST(AugmentImages, BrightnessMultipliesBytesBeforeTheTable) {
  const MadeImages images(4, 5, 3, true);
  const ImageDataset dataset = images.shown_with({0, false, 0, 0.8, 0, 0});
  for (std::int64_t index = 0; index < kImages; ++index) {
    const AugmentKey key{6, 1};
    const float factor = dataset.image_draw(index, &key).brightness;
    const auto sample = read_sample(dataset, index, &key);
    const std::uint8_t* const bytes = images.store().pixels.data() + (kImages - 1 - index) * 4 * 5 * 3;
    for (std::size_t i = 0; i < sample.size(); ++i) {
      const auto bright = static_cast<std::size_t>(std::min(255.0f, factor * static_cast<float>(bytes[i])));
      ASSERT_EQ(sample[i], images.table()[i % 3][bright]);
    }
  }
}

}  // namespace
}  // namespace spikeloom::data
