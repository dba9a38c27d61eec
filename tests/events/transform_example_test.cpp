// Small recordings whose outcome was worked out by hand.
#include <gtest/gtest.h>

#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/crop.h"
#include "spikeloom/events/transforms/denoise.h"
#include "spikeloom/events/transforms/downsample.h"
#include "spikeloom/events/transforms/jitter.h"
#include "spikeloom/events/transforms/mirror.h"
#include "spikeloom/events/transforms/move.h"
#include "spikeloom/events/transforms/noise.h"
#include "spikeloom/events/transforms/pixels.h"
#include "spikeloom/events/transforms/refractory.h"
#include "spikeloom/events/transforms/time.h"
#include "tests/events/streams.h"

namespace spikeloom::events {
namespace {

using Events = std::vector<Event>;

/// The transform's outcome on a copy.
template <class Function, class... Arguments>
Events after(Function function, EventStream stream, Arguments&&... arguments) {
  function(stream, std::forward<Arguments>(arguments)...);
  return stream.events;
}

const EventStream kCorners = stream_of(4, 3, {{10, 0, 0, 0}, {20, 3, 0, 1}, {30, 0, 2, 1}, {40, 3, 2, 0}});

TEST(Mirror, ByHand) {
  EXPECT_EQ(after(flip_left_right, kCorners),
            (Events{{10, 3, 0, 0}, {20, 0, 0, 1}, {30, 3, 2, 1}, {40, 0, 2, 0}}));
  EXPECT_EQ(after(flip_up_down, kCorners),
            (Events{{10, 0, 2, 0}, {20, 3, 2, 1}, {30, 0, 0, 1}, {40, 3, 0, 0}}));
  EXPECT_EQ(after(flip_polarity, kCorners),
            (Events{{10, 0, 0, 1}, {20, 3, 0, 0}, {30, 0, 2, 0}, {40, 3, 2, 1}}));
  EXPECT_EQ(after(merge_polarities, kCorners),
            (Events{{10, 0, 0, 0}, {20, 3, 0, 0}, {30, 0, 2, 0}, {40, 3, 2, 0}}));
}

TEST(Move, RollAndShiftByHand) {
  EXPECT_EQ(after(roll, kCorners, 1, -1),
            (Events{{10, 1, 2, 0}, {20, 0, 2, 1}, {30, 1, 1, 1}, {40, 0, 1, 0}}));
  EXPECT_EQ(after(shift, kCorners, 1, -1), (Events{{30, 1, 1, 1}}));
  EXPECT_EQ(after(shift, kCorners, std::numeric_limits<std::int64_t>::max(), 0), Events{});
  EXPECT_EQ(after(shift, kCorners, 0, std::numeric_limits<std::int64_t>::min()), Events{});
  EXPECT_EQ(after(roll, kCorners, std::numeric_limits<std::int64_t>::min(), 0),  // a multiple of 4
            kCorners.events);
}

TEST(Move, AQuarterTurnIsClockwise) {
  // Upper left to upper right, to lower right, to lower left.
  const EventStream square = stream_of(3, 3, {{1, 0, 0, 1}, {2, 1, 0, 0}});
  EXPECT_EQ(after(rotate, square, 90.0), (Events{{1, 2, 0, 1}, {2, 2, 1, 0}}));
  EXPECT_EQ(after(rotate, square, -90.0), (Events{{1, 0, 2, 1}, {2, 0, 1, 0}}));
  // 45 degrees: the corner leaves, (-1, -1) -> (0, -1.41); the middle of the edge goes to the corner.
  EXPECT_EQ(after(rotate, square, 45.0), (Events{{1, 1, 0, 1}, {2, 2, 0, 0}}));
  const EventStream wide = stream_of(5, 1, {{1, 0, 0, 1}, {2, 2, 0, 0}});
  EXPECT_EQ(after(rotate, wide, 90.0), (Events{{2, 2, 0, 0}}));
}

TEST(Move, ShearMovesRowsAgainstEachOther) {
  const EventStream column = stream_of(5, 5, {{1, 2, 0, 0}, {2, 2, 1, 0}, {3, 2, 2, 0}, {4, 2, 4, 0}});
  EXPECT_EQ(after(shear, column, 1.0, 0.0), (Events{{1, 0, 0, 0}, {2, 1, 1, 0}, {3, 2, 2, 0}, {4, 4, 4, 0}}));
  EXPECT_EQ(after(shear, column, 1.6, 0.0), (Events{{2, 0, 1, 0}, {3, 2, 2, 0}}));
  const EventStream row = stream_of(5, 5, {{1, 0, 2, 0}, {2, 4, 2, 0}});
  EXPECT_EQ(after(shear, row, 0.0, 0.5), (Events{{1, 0, 1, 0}, {2, 4, 3, 0}}));
  EXPECT_THROW(after(shear, row, std::numeric_limits<double>::quiet_NaN(), 0.0), ConfigError);
  EXPECT_THROW(after(rotate, row, std::numeric_limits<double>::infinity()), ConfigError);
}

TEST(Crop, ByHand) {
  EventStream stream = kCorners;
  crop(stream, {1, 0, 3, 2});
  EXPECT_EQ(stream.events, (Events{{20, 2, 0, 1}}));
  EXPECT_EQ((SensorSize{stream.width, stream.height}), (SensorSize{3, 2}));
  EXPECT_THROW(crop(stream, {0, 0, 0, 1}), ShapeError);
  EXPECT_THROW(crop(stream, {0, 0, 1, 70000}), ShapeError);
  const Box middle = centred_box({34, 34}, {28, 27});
  EXPECT_EQ(middle.x, 3);
  EXPECT_EQ(middle.y, 3);
  const Box padded = centred_box({34, 34}, {37, 40});  // floor(-3 / 2), floor(-6 / 2)
  EXPECT_EQ(padded.x, -2);
  EXPECT_EQ(padded.y, -3);
}

TEST(Downsample, ByHand) {
  const EventStream stream =
      stream_of(7, 4, {{1, 0, 0, 0}, {2, 3, 2, 1}, {3, 5, 3, 0}, {4, 6, 0, 1}, {5, 3, 0, 0}});
  EXPECT_EQ(after(downsample_pool, stream, 3), (Events{{1, 0, 0, 0}, {2, 1, 0, 1}, {5, 1, 0, 0}}));
  EXPECT_EQ(after(downsample_stride, stream, 3), (Events{{1, 0, 0, 0}, {5, 1, 0, 0}}));
  EXPECT_EQ(after(resize, stream, SensorSize{3, 2}),
            (Events{{1, 0, 0, 0}, {2, 1, 1, 1}, {3, 2, 1, 0}, {4, 2, 0, 1}, {5, 1, 0, 0}}));
  EXPECT_EQ(after(resize, stream_of(2, 1, {{1, 1, 0, 0}}), SensorSize{5, 3}), (Events{{1, 2, 0, 0}}));
  EXPECT_THROW(after(downsample_pool, stream, 0), ConfigError);
  EXPECT_THROW(after(downsample_pool, stream, 5), ShapeError);
}

TEST(Time, ByHand) {
  const EventStream stream = stream_of(1, 1, {{-3, 0, 0, 0}, {1, 0, 0, 1}, {5, 0, 0, 0}});
  EXPECT_EQ(after(skew_time, stream, 0.5, 0.0), (Events{{-2, 0, 0, 0}, {1, 0, 0, 1}, {3, 0, 0, 0}}));
  EXPECT_EQ(after(skew_time, stream, 2.0, -1.25), (Events{{-7, 0, 0, 0}, {1, 0, 0, 1}, {9, 0, 0, 0}}));
  EXPECT_EQ(after(align_time, stream), (Events{{0, 0, 0, 0}, {4, 0, 0, 1}, {8, 0, 0, 0}}));
  EXPECT_EQ(after(reverse_time, stream), (Events{{0, 0, 0, 0}, {4, 0, 0, 1}, {8, 0, 0, 0}}));
  EXPECT_EQ(after(crop_time, stream, -3, 1), (Events{{-3, 0, 0, 0}, {1, 0, 0, 1}}));
  const EventStream unsorted = stream_of(1, 1, {{5, 0, 0, 0}, {1, 0, 0, 1}, {5, 0, 0, 1}});
  EXPECT_EQ(after(sort_by_time, unsorted), (Events{{1, 0, 0, 1}, {5, 0, 0, 0}, {5, 0, 0, 1}}));
}

TEST(Time, WhatDoesNotFit64BitsIsRefusedAndNothingChanges) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  EventStream stream = stream_of(1, 1, {{-2, 0, 0, 0}, {kMax, 0, 0, 1}});
  const Events before = stream.events;
  EXPECT_THROW(align_time(stream), DataError);
  EXPECT_THROW(reverse_time(stream), DataError);
  EXPECT_THROW(skew_time(stream, 2.0, 0.0), DataError);
  EXPECT_THROW(skew_time(stream, -1.0, 0.0), ConfigError);
  EXPECT_EQ(stream.events, before);
  skew_time(stream, 1.0, 0.0);  // exact also where a double has too few digits
  EXPECT_EQ(stream.events, before);
}

TEST(Refractory, ByHandFromTheLastEventAndFromTheLastKept) {
  // One pixel every 6 us, another in between.
  const EventStream stream = stream_of(
      2, 1,
      {{0, 0, 0, 0}, {5, 1, 0, 0}, {6, 0, 0, 1}, {12, 0, 0, 0}, {15, 1, 0, 1}, {18, 0, 0, 0}, {40, 0, 0, 1}});
  EXPECT_EQ(after(drop_refractory, stream, RefractoryPeriod{10, true}),
            (Events{{0, 0, 0, 0}, {5, 1, 0, 0}, {40, 0, 0, 1}}));
  EXPECT_EQ(after(drop_refractory, stream, RefractoryPeriod{9, false}),
            (Events{{0, 0, 0, 0}, {5, 1, 0, 0}, {12, 0, 0, 0}, {15, 1, 0, 1}, {40, 0, 0, 1}}));
  // Exactly the period after is still too early.
  EXPECT_EQ(after(drop_refractory, stream_of(1, 1, {{0, 0, 0, 0}, {10, 0, 0, 0}}), RefractoryPeriod{10, true})
                .size(),
            1u);
  EXPECT_THROW(after(drop_refractory, stream, RefractoryPeriod{-1, true}), ConfigError);
  EXPECT_THROW(after(drop_refractory, stream_of(1, 1, {{0, 1, 0, 0}}), RefractoryPeriod{}), ShapeError);
}

TEST(Background, ByHand) {
  const EventStream stream = stream_of(3, 3,
                                       {{0, 1, 1, 0},      // alone
                                        {4, 2, 2, 0},      // diagonal: not beside
                                        {9, 0, 1, 1},      // 9 after its neighbour
                                        {14, 0, 0, 0},     // 5 after a neighbour that was kept
                                        {24, 1, 0, 0},     // 10 after: too late
                                        {33, 2, 0, 1},     // 9 after a neighbour that was dropped
                                        {100, 2, 0, 1}});  // its own pixel does not count
  EXPECT_EQ(after(drop_background, stream, 10), (Events{{9, 0, 1, 1}, {14, 0, 0, 0}, {33, 2, 0, 1}}));
  EXPECT_THROW(after(drop_background, stream, 0), ConfigError);
}

TEST(Background, TheLastColumnIsNoNeighbourOfTheNextRowsFirst) {
  const EventStream stream = stream_of(3, 3, {{0, 2, 0, 0}, {1, 0, 1, 0}, {2, 2, 1, 0}, {3, 0, 2, 0}});
  EXPECT_EQ(after(drop_background, stream, 10), (Events{{2, 2, 1, 0}, {3, 0, 2, 0}}));
}

TEST(Pixels, HotPixelsByHand) {
  // 1 ms: a rate of 3 kHz allows 3 events.
  Events events;
  for (int i = 0; i < 4; ++i) events.push_back({i * 100, 1, 0, 0});
  for (int i = 0; i < 3; ++i) events.push_back({350 + i * 100, 0, 0, 1});
  events.push_back({1000, 0, 1, 1});
  const Events rest(events.begin() + 4, events.end());
  EXPECT_EQ(after(drop_hot_pixels, stream_of(2, 2, events), 3000.0), rest);
  EXPECT_EQ(after(drop_hot_pixels, stream_of(2, 2, events), 4000.0), events);
  // No duration, no rate.
  const EventStream at_once = stream_of(1, 1, {{7, 0, 0, 0}, {7, 0, 0, 1}});
  EXPECT_EQ(after(drop_hot_pixels, at_once, 1.0), at_once.events);
  EXPECT_THROW(after(drop_hot_pixels, at_once, 0.0), ConfigError);
}

TEST(Pixels, EveryThirdEventOfEachPixel) {
  const EventStream stream = stream_of(
      2, 1,
      {{1, 0, 0, 0}, {2, 1, 0, 0}, {3, 0, 0, 0}, {4, 0, 0, 1}, {5, 0, 0, 0}, {6, 1, 0, 0}, {7, 1, 0, 1}});
  EXPECT_EQ(after(decimate, stream, 3), (Events{{4, 0, 0, 1}, {7, 1, 0, 1}}));
  EXPECT_EQ(after(decimate, stream, 1), stream.events);
  EXPECT_THROW(after(decimate, stream, 0), ConfigError);
}

TEST(Sensor, HugeSensorsAndEventsOutsideAreRefusedBeforeAnythingIsAllocated) {
  EventStream huge = stream_of(1 << 30, 1 << 30, {{0, 1, 1, 0}});
  RandomStream random(1, RandomPurpose::kAugment);
  EXPECT_THROW(drop_background(huge, 5), ShapeError);
  EXPECT_THROW(drop_refractory(huge, {5, true}), ShapeError);
  EXPECT_THROW(drop_hot_pixels(huge, 5), ShapeError);
  EXPECT_THROW(drop_random_pixels(huge, 0.5, random), ShapeError);
  EXPECT_THROW(decimate(huge, 2), ShapeError);
  EXPECT_THROW(add_uniform_noise(huge, 2, random), ShapeError);
  const EventStream outside = stream_of(2, 2, {{0, 1, 1, 0}, {1, 2, 0, 0}});
  EventStream stream = outside;
  for (const auto flip : {flip_left_right, flip_up_down}) EXPECT_THROW(flip(stream), ShapeError);
  EXPECT_THROW(roll(stream, 1, 1), ShapeError);
  EXPECT_THROW(rotate(stream, 10.0), ShapeError);
  EXPECT_THROW(downsample_pool(stream, 2), ShapeError);
  EXPECT_THROW(resize(stream, {1, 1}), ShapeError);
  EXPECT_THROW(decimate(stream, 2), ShapeError);
  EXPECT_THROW(drop_hot_pixels(stream, 1), ShapeError);
  EXPECT_THROW(jitter_place(stream, {}, random), ShapeError);
  EXPECT_EQ(stream.events, outside.events);
}

TEST(AllTransforms, TakeARecordingWithoutEvents) {
  EventStream empty{3, 2, {}};
  RandomStream random(1, RandomPurpose::kAugment);
  add_uniform_noise(empty, 5, random);
  jitter_time(empty, 5.0, true, random);
  reverse_time(empty);
  align_time(empty);
  skew_time(empty, 2.0, 3.0);
  drop_hot_pixels(empty, 1.0);
  drop_background(empty, 1);
  roll(empty, 1, 1);
  EXPECT_TRUE(empty.events.empty());
  EventStream nothing{0, 0, {}};
  roll(nothing, 1, 1);
  flip_left_right(nothing);
  EXPECT_TRUE(nothing.events.empty());
}

}  // namespace
}  // namespace spikeloom::events
