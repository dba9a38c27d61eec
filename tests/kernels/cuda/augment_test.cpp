// Random changes of images on queues against plain loops; tests/data compares with ImageDataset.
#include <gtest/gtest.h>

#include <random>

#include "array.h"
#include "spikeloom/kernels/cuda/augment_images.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::mismatches;

int cut_to_byte(double value) { return static_cast<int>(std::min(255.0, std::max(0.0, value))); }
int grey(const std::vector<int>& rgb) {
  return static_cast<int>(0.2989f * static_cast<float>(rgb[0]) + 0.587f * static_cast<float>(rgb[1]) +
                          0.114f * static_cast<float>(rgb[2]));
}
int blend(float factor, int value, float other) {
  return cut_to_byte(factor * static_cast<float>(value) + (1.0f - factor) * other);
}

/// One sample, step by step as the docstring says.
std::vector<float> augmented(const ImageSize& size, const std::uint8_t* image, const ImageDraw& draw,
                             const std::vector<float>& table) {
  const auto channels = static_cast<std::size_t>(size.channels);
  std::vector<std::vector<int>> pixels;  // [H * W][C]
  for (std::int64_t y = 0; y < size.height; ++y) {
    for (std::int64_t x = 0; x < size.width; ++x) {
      std::vector<int> pixel;
      for (std::int64_t c = 0; c < size.channels; ++c) {
        const std::int64_t from_y = y + draw.offset_y;
        const std::int64_t from_x = (draw.mirrored != 0 ? size.width - 1 - x : x) + draw.offset_x;
        const bool inside = from_y >= 0 && from_y < size.height && from_x >= 0 && from_x < size.width;
        pixel.push_back(inside ? image[(from_y * size.width + from_x) * size.channels + c] : 0);
      }
      pixels.push_back(pixel);
    }
  }
  double grey_sum = 0.0;
  for (auto& pixel : pixels) {
    for (int& value : pixel) {
      if (draw.brightness != 1.0f) value = blend(draw.brightness, value, 0.0f);
    }
    if (channels == 3) grey_sum += grey(pixel);
    for (std::size_t c = 0; channels != 3 && c < channels; ++c)
      grey_sum += pixel[c] / static_cast<double>(channels);
  }
  const auto mean = static_cast<float>(grey_sum / static_cast<double>(pixels.size()));
  std::vector<float> values;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    auto pixel = pixels[i];
    for (int& value : pixel) {
      if (draw.contrast != 1.0f) value = blend(draw.contrast, value, mean);
    }
    const auto before = pixel;
    for (std::size_t c = 0; c < channels; ++c) {
      if (draw.saturation != 1.0f && channels == 3)
        pixel[c] = blend(draw.saturation, pixel[c], static_cast<float>(grey(before)));
    }
    const auto y = static_cast<std::int64_t>(i) / size.width, x = static_cast<std::int64_t>(i) % size.width;
    const bool cut = y >= draw.cutout_y && y < draw.cutout_y + draw.cutout_height && x >= draw.cutout_x &&
                     x < draw.cutout_x + draw.cutout_width;
    for (std::size_t c = 0; c < channels; ++c) {
      values.push_back(cut ? 0.0f : table[c * 256 + static_cast<std::size_t>(pixel[c])]);
    }
  }
  return values;
}

class AugmentQueueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(AugmentQueueTest);

TEST_P(AugmentQueueTest, EqualsPlainLoops) {
  std::mt19937 generator(3);
  const auto draw_number = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(generator);
  };
  for (const ImageSize& size :
       {ImageSize{8, 8, 3}, ImageSize{5, 7, 1}, ImageSize{3, 4, 2}, ImageSize{1, 1, 3}}) {
    constexpr std::int64_t kImageCount = 5, kBatch = 64;
    const std::int64_t bytes = size.height * size.width * size.channels;
    std::vector<std::uint8_t> images;
    for (std::int64_t i = 0; i < kImageCount * bytes; ++i)
      images.push_back(static_cast<std::uint8_t>(draw_number(0, 255)));
    std::vector<float> table;
    for (std::int64_t i = 0; i < size.channels * 256; ++i)
      table.push_back(static_cast<float>(i) / 7.0f - 10.0f);
    std::vector<ImageDraw> draws;
    for (std::int64_t n = 0; n < kBatch; ++n) {
      ImageDraw draw;
      draw.image = draw_number(0, kImageCount - 1);
      draw.offset_y = draw_number(-4, 4);
      draw.offset_x = draw_number(-4, 4);
      draw.mirrored = draw_number(0, 1);
      if (n % 2 == 1) {
        draw.cutout_y = draw_number(-2, 5);
        draw.cutout_x = draw_number(-2, 5);
        draw.cutout_height = draw_number(0, 4);
        draw.cutout_width = draw_number(0, 4);
      }
      if (n % 3 != 0) {
        draw.brightness = static_cast<float>(draw_number(0, 32)) / 16.0f;
        draw.contrast = static_cast<float>(draw_number(0, 32)) / 16.0f;
        draw.saturation = static_cast<float>(draw_number(0, 32)) / 16.0f;
      }
      draws.push_back(draw);
    }
    for (const bool color : {false, true}) {
      std::vector<float> want;
      for (ImageDraw draw : draws) {
        if (!color) draw.brightness = draw.contrast = draw.saturation = 1.0f;
        const auto sample = augmented(size, images.data() + draw.image * bytes, draw, table);
        want.insert(want.end(), sample.begin(), sample.end());
      }
      Array<std::uint8_t> image_array(queue, images);
      Array<ImageDraw> draw_array(queue, draws);
      Array<float> table_array(queue, table), got(queue, kBatch * bytes);
      Array<BFloat16> rounded(queue, kBatch * bytes);
      Workspace workspace(queue, color ? augment_images_workspace(kBatch) : 0);
      augment_images(queue, size, kBatch, image_array.data(), draw_array.data(), table_array.data(), color,
                     got.data(), workspace.data());
      augment_images(queue, size, kBatch, image_array.data(), draw_array.data(), table_array.data(), color,
                     rounded.data(), workspace.data());
      SCOPED_TRACE(testing::Message()
                   << size.height << "x" << size.width << "x" << size.channels << " color " << color);
      EXPECT_EQ(mismatches(got.values(), want), 0);
      EXPECT_EQ(mismatches(floats_of(rounded.values()), floats_of(values_of<BFloat16>(want))), 0);
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
