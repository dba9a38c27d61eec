// What the random transforms do on average, with fixed seeds: tolerances are six standard errors.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/crop.h"
#include "spikeloom/events/transforms/draw.h"
#include "spikeloom/events/transforms/drop.h"
#include "spikeloom/events/transforms/jitter.h"
#include "spikeloom/events/transforms/noise.h"
#include "spikeloom/events/transforms/pixels.h"
#include "tests/events/streams.h"

namespace spikeloom::events {
namespace {

constexpr int kMany = 40000;

RandomStream stream_number(std::uint64_t item) { return RandomStream(11, RandomPurpose::kAugment, item); }

/// kMany events in the middle of 101 x 101 pixels, one a microsecond, from a second on.
EventStream many() {
  EventStream stream{101, 101, {}};
  for (int i = 0; i < kMany; ++i)
    stream.events.push_back({1000000 + i, 50, 50, static_cast<std::uint8_t>(i % 2)});
  return stream;
}

TEST(RandomTransforms, SpatialJitterHasItsCovariance) {
  EventStream stream = many();
  RandomStream random = stream_number(1);
  jitter_place(stream, {9.0, 4.0, 3.0}, random);
  ASSERT_EQ(stream.events.size(), std::size_t{kMany});  // the edge is 16 standard deviations away
  double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (const Event& event : stream.events) {
    const double dx = event.x - 50.0, dy = event.y - 50.0;
    x += dx / kMany;
    y += dy / kMany;
    xx += dx * dx / kMany;
    yy += dy * dy / kMany;
    xy += dx * dy / kMany;
  }
  const double root = std::sqrt(double{kMany});
  EXPECT_NEAR(x, 0.0, 6 * 3.0 / root);  // rounding, not cutting: no drift
  EXPECT_NEAR(y, 0.0, 6 * 2.0 / root);
  EXPECT_NEAR(xx, 9.0 + 1.0 / 12, 6 * 9.0 * std::sqrt(2.0) / root);  // 1/12: of the rounding
  EXPECT_NEAR(yy, 4.0 + 1.0 / 12, 6 * 4.0 * std::sqrt(2.0) / root);
  EXPECT_NEAR(xy, 3.0, 6 * std::sqrt(9.0 * 4.0 + 9.0) / root);
  for (const JitterCovariance& none :
       {JitterCovariance{-1, 1, 0}, JitterCovariance{1, 1, 1.5}, JitterCovariance{std::nan(""), 1, 0},
        JitterCovariance{1, 1, std::nan("")}}) {
    EXPECT_THROW(jitter_place(stream, none, random), ConfigError);
  }
}

TEST(RandomTransforms, TimeJitterHasItsDeviation) {
  EventStream stream{1, 1, {}};
  for (int i = 0; i < kMany; ++i) stream.events.push_back({0, 0, 0, 0});
  EventStream cut = stream;
  RandomStream random = stream_number(2);
  jitter_time(stream, 20.0, false, random);
  ASSERT_EQ(stream.events.size(), std::size_t{kMany});
  double sum = 0, squares = 0;
  for (const Event& event : stream.events) {
    sum += static_cast<double>(event.t_us) / kMany;
    squares += static_cast<double>(event.t_us * event.t_us) / kMany;
  }
  EXPECT_NEAR(sum, 0.0, 6 * 20.0 / std::sqrt(double{kMany}));
  EXPECT_NEAR(squares, 400.0 + 1.0 / 12, 6 * 400.0 * std::sqrt(2.0 / kMany));
  // About half lands before time 0.
  random = stream_number(2);
  jitter_time(cut, 20.0, true, random);
  EXPECT_GE(cut.events.front().t_us, 0);
  EXPECT_NEAR(static_cast<double>(cut.events.size()), kMany * 0.51, 6 * 0.5 * std::sqrt(double{kMany}));
  EXPECT_THROW(jitter_time(cut, -1.0, true, random), ConfigError);
}

TEST(RandomTransforms, TimesAtTheEndsOfTheRangeStopThere) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  EventStream stream{1, 1, {{kMin, 0, 0, 0}, {kMin, 0, 0, 0}, {kMax, 0, 0, 0}, {kMax, 0, 0, 0}}};
  RandomStream random = stream_number(3);
  jitter_time(stream, 1e12, false, random);
  EXPECT_TRUE(is_sorted_by_time(stream.events));
  EXPECT_LT(stream.events[1].t_us, kMin + 20000000000000);
  EXPECT_GT(stream.events[2].t_us, kMax - 20000000000000);
  add_uniform_noise(stream, 100, random);
  EXPECT_TRUE(is_sorted_by_time(stream.events));
  drop_interval(stream, 0.5, random);
  drop_interval(stream, 1.0, random);
  drop_interval(stream, 0.0, random);
}

TEST(RandomTransforms, NoiseIsUniform) {
  EventStream stream{5, 4, {{1000, 0, 0, 0}, {9999, 0, 0, 0}}};
  RandomStream random = stream_number(4);
  add_uniform_noise(stream, kMany, random);
  double time = 0, on = 0;
  std::vector<double> pixels(20);
  for (const Event& event : stream.events) {
    time += static_cast<double>(event.t_us - 1000) / kMany;
    on += event.polarity;
    pixels[static_cast<std::size_t>(event.y * 5 + event.x)] += 1;
  }
  EXPECT_NEAR(time, 4500.0, 6 * 9000.0 / std::sqrt(12.0 * kMany));
  EXPECT_NEAR(on, kMany / 2.0, 6 * 0.5 * std::sqrt(double{kMany}));
  for (const double count : pixels) EXPECT_NEAR(count, kMany / 20.0, 2 + 6 * std::sqrt(kMany / 20.0));
}

TEST(RandomTransforms, EveryEventIsAsLikelyToBeDropped) {
  std::vector<int> kept(10);
  for (std::uint64_t round = 0; round < 4000; ++round) {
    EventStream stream{10, 1, {}};
    for (std::uint16_t i = 0; i < 10; ++i) stream.events.push_back({i, i, 0, 0});
    RandomStream random = stream_number(round);
    drop_events(stream, 0.3, random);
    ASSERT_EQ(stream.events.size(), 7u);
    for (const Event& event : stream.events) ++kept[event.x];
  }
  for (const int count : kept) EXPECT_NEAR(count, 2800, 6 * std::sqrt(4000 * 0.7 * 0.3));
}

TEST(RandomTransforms, TheIntervalReachesEveryPlace) {
  std::set<std::vector<Event>> left;
  for (std::uint64_t round = 0; round < 100; ++round) {
    EventStream stream{1, 1, {}};
    for (int i = 0; i < 5; ++i) stream.events.push_back({100 + i, 0, 0, 0});
    RandomStream random = stream_number(round);
    drop_interval(stream, 0.5, random);  // 2 of 4 us, from 100, 101 or 102 on
    ASSERT_EQ(stream.events.size(), 3u);
    left.insert(stream.events);
  }
  EXPECT_EQ(left.size(), 3u);
}

TEST(RandomTransforms, TheBoxReachesEveryPlace) {
  std::set<std::pair<int, int>> corners;
  for (std::uint64_t round = 0; round < 400; ++round) {
    EventStream stream{6, 4, {}};
    for (std::uint16_t i = 0; i < 24; ++i) {
      stream.events.push_back({i, static_cast<std::uint16_t>(i % 6), static_cast<std::uint16_t>(i / 6), 0});
    }
    const std::vector<Event> before = stream.events;
    RandomStream random = stream_number(round);
    drop_area(stream, 0.5, random);
    ASSERT_EQ(stream.events.size(), 24u - 3 * 2);
    for (const Event& event : before) {  // the first that is gone is the box's upper left corner
      if (std::find(stream.events.begin(), stream.events.end(), event) == stream.events.end()) {
        corners.insert({event.x, event.y});
        break;
      }
    }
    const Box box = random_box({6, 4}, {6, 4}, random);
    ASSERT_EQ(box.x + box.y, 0);
  }
  EXPECT_EQ(corners.size(), 4u * 3);
  RandomStream random = stream_number(0);
  EXPECT_THROW(random_box({6, 4}, {7, 4}, random), ShapeError);
}

TEST(RandomTransforms, PixelsAreDroppedWithTheirProbability) {
  EventStream stream{200, 200, {}};
  for (int i = 0; i < kMany; ++i) {
    for (int twice = 0; twice < 2; ++twice) {
      stream.events.push_back(
          {i, static_cast<std::uint16_t>(i % 200), static_cast<std::uint16_t>(i / 200), 0});
    }
  }
  RandomStream random = stream_number(5);
  drop_random_pixels(stream, 0.25, random);
  EXPECT_EQ(stream.events.size() % 2, 0u);  // a pixel goes with all its events
  EXPECT_NEAR(static_cast<double>(stream.events.size()) / 2, kMany * 0.75,
              6 * std::sqrt(kMany * 0.25 * 0.75));
  drop_random_pixels(stream, 0.0, random);
  EXPECT_FALSE(stream.events.empty());
  drop_random_pixels(stream, 1.0, random);
  EXPECT_TRUE(stream.events.empty());
  EXPECT_THROW(drop_random_pixels(stream, 1.5, random), ConfigError);
  EXPECT_THROW(drop_events(stream, -0.1, random), ConfigError);
}

TEST(RandomTransforms, EventDropUsesAllFour) {
  std::set<std::size_t> sizes;
  for (std::uint64_t round = 0; round < 60; ++round) {
    EventStream stream{10, 10, {}};
    for (std::uint16_t i = 0; i < 100; ++i) {
      stream.events.push_back({i, static_cast<std::uint16_t>(i % 10), static_cast<std::uint16_t>(i / 10), 0});
    }
    RandomStream random = stream_number(round);
    event_drop(stream, random);
    sizes.insert(stream.events.size());
  }
  EXPECT_EQ(sizes.count(100), 1u);                  // nothing, or a box of less than a pixel
  EXPECT_TRUE(sizes.count(96) || sizes.count(99));  // a box of 1 or 2 pixels a side
  EXPECT_TRUE(sizes.count(10) || sizes.count(20) || sizes.count(30));
}

TEST(RandomNumbers, WideIntegersAndDoublesFillTheirRange) {
  RandomStream random = stream_number(6);
  const std::uint64_t bound = std::uint64_t{3} << 60;
  double sum = 0;
  for (int i = 0; i < kMany; ++i) {
    const std::uint64_t value = uniform_below(random, bound);
    ASSERT_LT(value, bound);
    sum += static_cast<double>(value) / static_cast<double>(bound) / kMany;
    const double number = uniform_double(random);
    ASSERT_TRUE(number >= 0.0 && number < 1.0);
  }
  EXPECT_NEAR(sum, 0.5, 6 / std::sqrt(12.0 * kMany));
  std::set<std::int64_t> drawn;
  for (int i = 0; i < 100; ++i) drawn.insert(uniform_between(random, -2, 2));
  EXPECT_EQ(drawn, (std::set<std::int64_t>{-2, -1, 0, 1, 2}));
  uniform_between(random, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
}

}  // namespace
}  // namespace spikeloom::events
