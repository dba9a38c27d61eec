// The kernel that augments on a queue gives the very values of ImageDataset::read.
#include <gtest/gtest.h>

#include <random>

#include "spikeloom/base/random.h"
#include "spikeloom/data/datasets/image_dataset.h"
#include "spikeloom/data/verify.h"
#include "spikeloom/kernels/cuda/augment_images.h"

namespace spikeloom::data {
namespace {

TEST(AugmentImages, EqualsImageDataset) {
  constexpr std::int64_t kImages = 20, kHeight = 7, kWidth = 6, kChannels = 3,
                         kValues = kHeight * kWidth * kChannels;
  constexpr int kPadding = 3;
  auto store = std::make_shared<ImageStore>();
  store->height = kHeight;
  store->width = kWidth;
  store->channels = kChannels;
  std::mt19937 generator(1);
  for (std::int64_t i = 0; i < kImages * kValues; ++i) {
    store->pixels.push_back(static_cast<std::uint8_t>(generator() % 256));
  }
  store->labels.assign(kImages, 0);
  const auto table = std::make_shared<const PixelTable>(standardizing_table(*store));
  Indices indices;
  for (std::int64_t i = 0; i < kImages; ++i) indices.push_back(kImages - 1 - i);
  const DatasetInfo info{};
  const ImageDataset dataset(info, store, table, indices, {kPadding, true});
  const AugmentKey key{12, 34};

  std::vector<kernels::cuda::ImageDraw> draws;
  std::vector<float> want(kImages * kValues), got(want.size()), flat_table;
  for (std::int64_t i = 0; i < kImages; ++i) {
    RandomStream stream(key.seed, RandomPurpose::kAugment, static_cast<std::uint64_t>(i),
                        static_cast<std::uint64_t>(key.epoch));
    kernels::cuda::ImageDraw draw;
    draw.image = kImages - 1 - i;
    draw.offset_y = static_cast<std::int32_t>(stream.below(2 * kPadding + 1)) - kPadding;
    draw.offset_x = static_cast<std::int32_t>(stream.below(2 * kPadding + 1)) - kPadding;
    draw.mirrored = stream.uniform() < 0.5f ? 1 : 0;
    draws.push_back(draw);
    dataset.read(i, &key, want.data() + i * kValues);
  }
  for (const auto& channel : *table) flat_table.insert(flat_table.end(), channel.begin(), channel.end());
  kernels::cuda::augment_images<float>({}, {kHeight, kWidth, kChannels}, kImages, store->pixels.data(),
                                       draws.data(), flat_table.data(), false, got.data(), nullptr);
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace spikeloom::data
