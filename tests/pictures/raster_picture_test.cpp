#include "spikeloom/pictures/raster_picture.h"

#include <gtest/gtest.h>

#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::pictures {
namespace {

bool is_spike(const formats::Image& image, int x, int y) {
  const std::size_t i =
      3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x));
  return image.pixels[i] == 0 && image.pixels[i + 1] == 114 && image.pixels[i + 2] == 178;
}

formats::Image picture(const std::vector<float>& spikes, std::int64_t steps) {
  return raster_picture({spikes.data(), spikes.size()}, steps);
}

TEST(RasterPicture, HasARowANeuronThatFiredAndAColumnAStep) {
  // Neuron 0 never; 1 at step 0; 2 at both.
  const auto image = picture({0, 1, 1, 0, 0, 1}, 2);
  ASSERT_EQ(image.width, 2 * 32);
  ASSERT_EQ(image.height, 3 * 8);
  EXPECT_TRUE(is_spike(image, 0, 0));
  EXPECT_TRUE(is_spike(image, 30, 6));
  EXPECT_FALSE(is_spike(image, 31, 0)) << "between two steps";
  EXPECT_FALSE(is_spike(image, 0, 7)) << "between two neurons";
  EXPECT_FALSE(is_spike(image, 32, 0));
  EXPECT_TRUE(is_spike(image, 0, 8));
  EXPECT_TRUE(is_spike(image, 32, 8));
  for (int x = 0; x < image.width; ++x) EXPECT_FALSE(is_spike(image, x, 16)) << "a row is left over";
}

TEST(RasterPicture, ShowsNeuronsEvenlySpacedAndTheFirstSteps) {
  // 96 neurons that all fire, neuron n only at step n: every second is shown, of 600 steps 512.
  std::vector<float> spikes(600 * 96);
  for (std::size_t n = 0; n < 96; ++n) spikes[n * 96 + n] = 1.0f;
  const auto image = picture(spikes, 600);
  ASSERT_EQ(image.width, 512);
  ASSERT_EQ(image.height, 48 * 8);
  for (int row = 0; row < 48; ++row) {
    EXPECT_TRUE(is_spike(image, 2 * row, 8 * row)) << row;
    EXPECT_FALSE(is_spike(image, 2 * row + 1, 8 * row)) << row;
  }
}

TEST(RasterPicture, ASilentLayerIsAnEmptyPictureOfTheSameSize) {
  const auto image = picture(std::vector<float>(4 * 100), 4);
  EXPECT_EQ(image.height, 48 * 8);
  for (const auto value : image.pixels) ASSERT_EQ(value, 255);
}

TEST(RasterPicture, RefusesOtherShapes) {
  EXPECT_THROW(picture({1, 0, 1}, 2), ShapeError);
  EXPECT_THROW(picture({}, 1), ShapeError);
  EXPECT_THROW(picture({1}, 0), ShapeError);
}

}  // namespace
}  // namespace spikeloom::pictures
