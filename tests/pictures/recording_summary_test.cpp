#include "spikeloom/pictures/recording_summary.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

namespace spikeloom::pictures {
namespace {

/// Each of 100 pixels once, 10 us apart, on and off in turns; pixel (3, 2) so many times more.
events::EventStream stream_with_hot_pixel(int more) {
  events::EventStream stream;
  stream.width = stream.height = 10;
  for (int i = 0; i < 100; ++i) {
    stream.events.push_back({1000 + 10 * i, static_cast<std::uint16_t>(i % 10),
                             static_cast<std::uint16_t>(i / 10), static_cast<std::uint8_t>(i % 2)});
  }
  for (int i = 0; i < more; ++i) stream.events.push_back({1990, 3, 2, 1});
  return stream;
}

TEST(RecordingSummary, CountsEventsPolaritiesAndTime) {
  const RecordingSummary summary = summarise(stream_with_hot_pixel(0), 10);
  EXPECT_EQ(summary.events, 100);
  EXPECT_EQ(summary.on, 50);
  EXPECT_EQ(summary.off(), 50);
  EXPECT_EQ(summary.t_first_us, 1000);
  EXPECT_EQ(summary.duration_us, 990.0);
  EXPECT_NEAR(summary.events_per_s(), 100 / 990e-6, 1e-6);
  EXPECT_EQ(summary.active_pixels, 100);
  EXPECT_EQ(summary.on_counts, std::vector<std::int64_t>(10, 5));
  EXPECT_EQ(summary.off_counts, std::vector<std::int64_t>(10, 5));
  EXPECT_EQ(summary.hot_pixels, 0);
}

TEST(RecordingSummary, FindsTheHotPixel) {
  const RecordingSummary summary = summarise(stream_with_hot_pixel(200));
  EXPECT_EQ(summary.hot_pixels, 1);
  EXPECT_EQ(summary.hot_events, 201);
  ASSERT_EQ(summary.most_active.size(), 8u);
  EXPECT_EQ(summary.most_active[0].x, 3);
  EXPECT_EQ(summary.most_active[0].y, 2);
  EXPECT_EQ(summary.most_active[0].events, 201);
  EXPECT_EQ(summary.most_active[1].x, 0) << "of equal ones the first";
  EXPECT_LT(summary.hot_above, 201.0);
}

TEST(RecordingSummary, OfNoneOrOfOneTimeHasNoRate) {
  EXPECT_EQ(summarise({}).events, 0);
  EXPECT_EQ(summarise({}).events_per_s(), 0.0);
  events::EventStream one;
  one.width = one.height = 65536;
  one.events.assign(3, {5, 65535, 65535, 1});
  const RecordingSummary summary = summarise(one, 4);
  EXPECT_EQ(summary.events_per_s(), 0.0);
  EXPECT_EQ(summary.on_counts, (std::vector<std::int64_t>{3, 0, 0, 0}));
  EXPECT_EQ(summary.most_active[0].x, 65535);
}

TEST(RecordingSummary, TimesMayBeAsFarApartAsIntegers) {
  events::EventStream stream;
  stream.width = stream.height = 1;
  stream.events = {{std::numeric_limits<std::int64_t>::min(), 0, 0, 0},
                   {std::numeric_limits<std::int64_t>::max(), 0, 0, 1}};
  const RecordingSummary summary = summarise(stream, 8);
  EXPECT_EQ(summary.off_counts.front(), 1);
  EXPECT_EQ(summary.on_counts.back(), 1);
}

}  // namespace
}  // namespace spikeloom::pictures
