#include "spikeloom/pictures/recording_frames.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "spikeloom/base/errors.h"

namespace spikeloom::pictures {
namespace {

using Colour = std::array<int, 3>;

Colour at(const formats::Image& image, int x, int y) {
  const std::size_t i =
      3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x));
  return {image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]};
}

/// 48 x 48: on at (0, 0) in the first half, off at (47, 47) in the second.
events::EventStream two_corners() {
  events::EventStream stream;
  stream.width = stream.height = 48;
  stream.events = {{0, 0, 0, 1}, {100, 47, 47, 0}};
  return stream;
}

Shown shown(const events::EventStream& stream, int frames) {
  return {make_frames(stream, even_slices(stream, frames)), summarise(stream)};
}

constexpr Colour kOn{0, 114, 178}, kOff{213, 94, 0}, kWhite{255, 255, 255};

TEST(RecordingFrames, AnAnimationShowsEventsWhereAndWhenTheyWere) {
  const auto images = animation({shown(two_corners(), 2)});
  ASSERT_EQ(images.size(), 2u);
  ASSERT_EQ(images[0].width, 96) << "small frames are magnified";
  EXPECT_EQ(at(images[0], 0, 0), kOn);
  EXPECT_EQ(at(images[0], 1, 1), kOn);
  EXPECT_EQ(at(images[0], 2, 2), kWhite);
  EXPECT_EQ(at(images[0], 95, 95), kWhite);
  EXPECT_EQ(at(images[1], 0, 0), kWhite);
  EXPECT_EQ(at(images[1], 95, 95), kOff);
}

TEST(RecordingFrames, BeforeAndAfterStandSideBySide) {
  events::EventStream after = two_corners();
  after.events.pop_back();
  const auto images = animation({shown(two_corners(), 2), shown(after, 2)});
  ASSERT_EQ(images[0].width, 96 + 4 + 96);
  EXPECT_EQ(at(images[1], 95, 95), kOff);
  EXPECT_EQ(at(images[1], 195, 95), kWhite) << "what the transform took away";
}

TEST(RecordingFrames, ASheetHasFramesAndRate) {
  const formats::Image image = contact_sheet({shown(two_corners(), 2)});
  EXPECT_EQ(image.width, 96 + 4 + 96);
  EXPECT_EQ(image.height, 96 + 4 + 64 + 3 * 4 - 4 + 4);
  EXPECT_EQ(at(image, 0, 0), kOn);
  EXPECT_EQ(at(image, 195, 95), kOff);
  EXPECT_EQ(at(image, 0, 100 + 31), kOn) << "the first slice of the rate, upwards";
  EXPECT_EQ(at(image, 193, 100 + 33), kOff) << "the last one, downwards";
}

TEST(RecordingFrames, FewColoursWhateverTheCounts) {
  events::EventStream stream;
  stream.width = stream.height = 32;
  for (int i = 0; i < 20000; ++i) {
    stream.events.push_back({i, static_cast<std::uint16_t>(i * i % 31),
                             static_cast<std::uint16_t>(i / 7 % 32), static_cast<std::uint8_t>(i / 3 % 2)});
  }
  std::set<Colour> colours;
  for (const auto& image : animation({shown(stream, 12)})) {
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) colours.insert(at(image, x, y));
    }
  }
  EXPECT_GT(colours.size(), 10u);
  EXPECT_LE(colours.size(), 66u);
}

TEST(RecordingFrames, ASensorThatAHeaderMakesUpCostsNoMemory) {
  events::EventStream stream;
  stream.width = stream.height = 65536;
  stream.events = {{0, 65535, 0, 1}};
  const Frames frames = make_frames(stream, even_slices(stream, 200));
  EXPECT_EQ(frames.width, 256);
  EXPECT_EQ(frames.counts.size(), 200u * 256 * 256 * 2);
  events::Binning binning;  // as a recipe says
  binning.num_steps = 10;
  EXPECT_THROW(make_frames(stream, binning), ConfigError);
  binning.downsample = 70000;
  EXPECT_THROW(make_frames(stream, binning), ConfigError) << "nothing is left";
}

}  // namespace
}  // namespace spikeloom::pictures
