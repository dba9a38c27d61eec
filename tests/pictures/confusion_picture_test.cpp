#include "spikeloom/pictures/confusion_picture.h"

#include <gtest/gtest.h>

#include <array>

#include "spikeloom/base/errors.h"

namespace spikeloom::pictures {
namespace {

using Colour = std::array<int, 3>;

Colour at(const formats::Image& image, int x, int y) {
  const std::size_t i =
      3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x));
  return {image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]};
}

TEST(ConfusionPicture, HasACellForEachPair) {
  const formats::Image image = confusion_picture({{4, 0}, {4, 0}});
  ASSERT_EQ(image.width, 512);
  ASSERT_EQ(image.height, 512);
  EXPECT_EQ(at(image, 0, 0), (Colour{0, 114, 178})) << "all right: blue";
  EXPECT_EQ(at(image, 256, 255), (Colour{255, 255, 255})) << "none: white";
  EXPECT_EQ(at(image, 255, 256), (Colour{213, 94, 0})) << "all wrong: orange";
  EXPECT_EQ(at(image, 511, 511), (Colour{255, 255, 255}));
}

TEST(ConfusionPicture, SharesAreOfTheLabel) {
  const formats::Image image = confusion_picture({{75, 25}, {0, 0}});
  EXPECT_EQ(at(image, 300, 0), (Colour{234, 175, 128})) << "a quarter: half of the colour";
  EXPECT_EQ(at(image, 0, 300), (Colour{200, 200, 200})) << "a label without samples";
}

TEST(ConfusionPicture, RefusesWhatIsNoMatrix) {
  EXPECT_THROW(confusion_picture({}), ShapeError);
  EXPECT_THROW(confusion_picture({{1, 2}}), ShapeError);
  EXPECT_THROW(confusion_picture(std::vector<std::vector<std::int64_t>>(513, std::vector<std::int64_t>(513))),
               ShapeError);
  EXPECT_EQ(
      confusion_picture(std::vector<std::vector<std::int64_t>>(512, std::vector<std::int64_t>(512))).width,
      512);
}

}  // namespace
}  // namespace spikeloom::pictures
