#include "spikeloom/events/binning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"

namespace spikeloom::events {
namespace {

constexpr std::uint8_t kPoison = 0xa5;

std::size_t frames_size(const EventStream& stream, const Binning& binning) {
  return static_cast<std::size_t>(binning.num_steps) *
         static_cast<std::size_t>(binned_width(stream.height, binning)) *
         static_cast<std::size_t>(binned_width(stream.width, binning)) * 2;
}

/// bin_events into a poisoned buffer with guards on both sides.
std::vector<std::uint8_t> bin(const EventStream& stream, const Binning& binning) {
  const std::size_t size = frames_size(stream, binning);
  std::vector<std::uint8_t> buffer(size + 32, kPoison);
  bin_events(stream, binning, buffer.data() + 16);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(buffer[i], kPoison) << "written before the frames";
    EXPECT_EQ(buffer[buffer.size() - 1 - i], kPoison) << "written behind the frames";
  }
  return {buffer.begin() + 16, buffer.end() - 16};
}

/// Slow and plain: the definition of the result, event by event, for times that fit a double exactly.
std::vector<std::uint8_t> expected_frames(const EventStream& stream, const Binning& binning) {
  const std::int64_t width = stream.width / binning.downsample;
  const std::int64_t height = stream.height / binning.downsample;
  std::vector<int> counts(frames_size(stream, binning), 0);
  std::int64_t first = std::numeric_limits<std::int64_t>::max(),
               last = std::numeric_limits<std::int64_t>::min();
  for (const Event& event : stream.events) {
    first = std::min(first, event.t_us);
    last = std::max(last, event.t_us);
  }
  for (std::size_t i = 0; i < stream.events.size(); ++i) {
    const Event& event = stream.events[i];
    std::int64_t step = 0;
    if (binning.slicing == Binning::kWindow) {
      step = (event.t_us - first) / binning.window_us;
    } else {
      // The step whose share [k / T, (k + 1) / T) of the whole, rounded down, holds the event.
      const auto place =
          binning.slicing == Binning::kEqualTime ? event.t_us - first : static_cast<std::int64_t>(i);
      const auto whole = binning.slicing == Binning::kEqualTime
                             ? last - first + 1
                             : static_cast<std::int64_t>(stream.events.size());
      while ((step + 1) * whole / binning.num_steps <= place) ++step;
    }
    if (step >= binning.num_steps) continue;
    if (binning.stride_downsampling &&
        (event.x % binning.downsample != 0 || event.y % binning.downsample != 0)) {
      continue;
    }
    std::int64_t x = event.x / binning.downsample, y = event.y / binning.downsample;
    if (x >= width || y >= height) continue;
    x += binning.shift_x;
    y += binning.shift_y;
    if (x < 0 || x >= width || y < 0 || y >= height) continue;
    ++counts[static_cast<std::size_t>(((step * height + y) * width + x) * 2 + event.polarity)];
  }
  std::vector<std::uint8_t> frames;
  for (const int count : counts) {
    frames.push_back(static_cast<std::uint8_t>(binning.binary ? count > 0 : std::min(count, 255)));
  }
  return frames;
}

EventStream random_stream(RandomStream& random, std::size_t count, bool sorted) {
  EventStream stream;
  stream.width = 1 + static_cast<int>(random.below(20));
  stream.height = 1 + static_cast<int>(random.below(20));
  std::int64_t t_us = static_cast<std::int64_t>(random.below(100000)) - 50000;
  for (std::size_t i = 0; i < count; ++i) {
    t_us += sorted ? random.below(300) : static_cast<std::int64_t>(random.below(3000)) - 1000;
    Event event{};
    event.t_us = t_us;
    event.x = static_cast<std::uint16_t>(random.below(static_cast<std::uint32_t>(stream.width)));
    event.y = static_cast<std::uint16_t>(random.below(static_cast<std::uint32_t>(stream.height)));
    event.polarity = static_cast<std::uint8_t>(random.below(2));
    stream.events.push_back(event);
  }
  return stream;
}

EventStream made_stream(int width, int height, std::vector<Event> events) {
  return {width, height, std::move(events)};
}

TEST(Binning, EqualsThePlainDefinitionForRandomRecordings) {
  const Binning::Slicing slicings[] = {Binning::kWindow, Binning::kEqualTime, Binning::kEqualCount};
  for (std::uint64_t round = 0; round < 3000; ++round) {
    RandomStream random(7, RandomPurpose::kBench, round);
    const EventStream stream = random_stream(random, random.below(120), round % 4 != 0);
    Binning binning;
    binning.num_steps = 1 + static_cast<int>(random.below(12));
    binning.slicing = slicings[round % 3];
    binning.window_us = 1 + random.below(4000);
    binning.binary = random.below(2) == 1;
    binning.downsample = 1 + static_cast<int>(random.below(4));
    binning.stride_downsampling = random.below(2) == 1;
    binning.shift_x = static_cast<int>(random.below(7)) - 3;
    binning.shift_y = static_cast<int>(random.below(7)) - 3;
    ASSERT_EQ(bin(stream, binning), expected_frames(stream, binning)) << "round " << round;
  }
}

TEST(Binning, LayoutIsTimeThenRowThenColumnThenPolarity) {
  Binning binning;
  binning.num_steps = 2;
  binning.window_us = 10;
  const auto frames = bin(made_stream(3, 2, {{100, 0, 0, 0}, {109, 2, 1, 1}, {110, 1, 0, 1}}), binning);
  std::vector<std::uint8_t> expected(2 * 2 * 3 * 2, 0);
  expected[0] = 1;
  expected[((0 * 2 + 1) * 3 + 2) * 2 + 1] = 1;
  expected[((1 * 2 + 0) * 3 + 1) * 2 + 1] = 1;
  EXPECT_EQ(frames, expected);
}

TEST(Binning, CountsStopAt255AndBinaryAt1) {
  EventStream stream = made_stream(1, 1, {});
  for (int i = 0; i < 300; ++i) stream.events.push_back({i, 0, 0, 1});
  Binning binning;
  EXPECT_EQ(bin(stream, binning), (std::vector<std::uint8_t>{0, 255}));
  binning.binary = true;
  EXPECT_EQ(bin(stream, binning), (std::vector<std::uint8_t>{0, 1}));
}

TEST(Binning, WhatLiesBehindTheLastWindowIsNotUsed) {
  Binning binning;
  binning.num_steps = 2;
  binning.window_us = 5;
  EXPECT_EQ(bin(made_stream(1, 1, {{7, 0, 0, 0}, {16, 0, 0, 0}, {17, 0, 0, 0}, {1000, 0, 0, 0}}), binning),
            (std::vector<std::uint8_t>{1, 0, 1, 0}));
}

TEST(Binning, EqualSlicesUseEveryEvent) {
  for (const auto slicing : {Binning::kEqualTime, Binning::kEqualCount}) {
    for (int num_steps = 1; num_steps < 40; ++num_steps) {
      EventStream stream = made_stream(1, 1, {});
      for (int i = 0; i < 25; ++i) stream.events.push_back({std::int64_t{i} * i, 0, 0, 0});
      Binning binning;
      binning.num_steps = num_steps;
      binning.slicing = slicing;
      const auto frames = bin(stream, binning);
      EXPECT_EQ(std::accumulate(frames.begin(), frames.end(), 0), 25) << num_steps;
      if (slicing == Binning::kEqualTime) continue;
      for (std::size_t i = 0; i < frames.size(); i += 2) EXPECT_NEAR(frames[i], 25.0 / num_steps, 1.0);
    }
  }
}

TEST(Binning, DownsamplingBy3Makes128Into42AndDropsTheRest) {
  Binning binning;
  binning.downsample = 3;
  EXPECT_EQ(binned_width(128, binning), 42);
  const auto frames = bin(made_stream(128, 128, {{0, 125, 125, 0}, {0, 126, 0, 0}, {0, 0, 127, 0}}), binning);
  ASSERT_EQ(frames.size(), 42u * 42u * 2u);
  EXPECT_EQ(std::accumulate(frames.begin(), frames.end(), 0), 1);
  EXPECT_EQ(frames[(41 * 42 + 41) * 2], 1);
  binning.stride_downsampling = true;
  const auto strided = bin(made_stream(128, 128, {{0, 123, 3, 1}, {0, 124, 3, 1}, {0, 123, 4, 1}}), binning);
  EXPECT_EQ(std::accumulate(strided.begin(), strided.end(), 0), 1);
  EXPECT_EQ(strided[(1 * 42 + 41) * 2 + 1], 1);
}

TEST(Binning, ShiftMovesInOutputPixelsAndDropsWhatLeaves) {
  Binning binning;
  binning.shift_x = 1;
  binning.shift_y = -1;
  const auto frames = bin(made_stream(2, 2, {{0, 0, 1, 0}, {0, 1, 1, 0}, {0, 0, 0, 0}}), binning);
  EXPECT_EQ(frames, (std::vector<std::uint8_t>{0, 0, 1, 0, 0, 0, 0, 0}));
}

TEST(Binning, ShiftsOfAnySizeDropEverythingWithoutOverflow) {
  for (const int shift : {std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    Binning binning;
    binning.shift_x = shift;
    binning.shift_y = shift;
    EXPECT_EQ(bin(made_stream(1, 1, {{0, 0, 0, 0}}), binning), (std::vector<std::uint8_t>{0, 0}));
  }
}

TEST(Binning, ExtremeTimesAreSafe) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  Binning binning;
  binning.num_steps = 3;
  binning.window_us = kMax;
  EXPECT_EQ(bin(made_stream(1, 1, {{kMin, 0, 0, 0}, {kMin + kMax, 0, 0, 0}, {kMax - 1, 0, 0, 1}}), binning),
            (std::vector<std::uint8_t>{1, 0, 1, 0, 0, 1}));
  binning.slicing = Binning::kEqualTime;
  EXPECT_EQ(bin(made_stream(1, 1, {{kMin, 0, 0, 0}, {0, 0, 0, 0}, {kMax - 1, 0, 0, 1}}), binning),
            (std::vector<std::uint8_t>{1, 0, 1, 0, 0, 1}));
}

TEST(Binning, ARecordingWithoutEventsGivesZeros) {
  for (const auto slicing : {Binning::kWindow, Binning::kEqualTime, Binning::kEqualCount}) {
    Binning binning;
    binning.slicing = slicing;
    binning.num_steps = 3;
    EXPECT_EQ(bin(made_stream(2, 2, {}), binning), std::vector<std::uint8_t>(3 * 2 * 2 * 2, 0));
  }
}

TEST(Binning, EventsOutsideTheSensorAreRefusedAndNothingIsWritten) {
  for (const Event event :
       {Event{0, 4, 0, 0}, Event{0, 0, 3, 0}, Event{0, 0, 0, 2}, Event{0, 65535, 65535, 255}}) {
    const EventStream stream = made_stream(4, 3, {{0, 3, 2, 1}, event});
    std::vector<std::uint8_t> frames(4 * 3 * 2, kPoison);
    try {
      bin_events(stream, Binning{}, frames.data());
      ADD_FAILURE() << "accepted x = " << event.x << ", y = " << event.y;
    } catch (const ShapeError& error) {
      EXPECT_NE(std::string(error.what()).find("event 1"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("4 x 3"), std::string::npos) << error.what();
    }
    EXPECT_EQ(frames, std::vector<std::uint8_t>(4 * 3 * 2, kPoison));
  }
  EXPECT_THROW(bin_events(made_stream(0, 0, {{0, 0, 0, 0}}), Binning{}, nullptr), ShapeError);
}

TEST(Binning, SettingsOutsideTheirRangeAreRefusedByName) {
  const EventStream stream = made_stream(1, 1, {});
  std::uint8_t frames[2] = {};
  const auto key_of = [&](const Binning& binning) -> std::string {
    try {
      bin_events(stream, binning, frames);
    } catch (const ConfigError& error) {
      return error.key();
    }
    return "accepted";
  };
  Binning binning;
  binning.num_steps = 0;
  EXPECT_EQ(key_of(binning), "num_steps");
  binning = Binning{};
  binning.window_us = 0;
  EXPECT_EQ(key_of(binning), "window_us");
  binning.slicing = Binning::kEqualCount;
  EXPECT_EQ(key_of(binning), "accepted");
  binning = Binning{};
  binning.downsample = 0;
  EXPECT_EQ(key_of(binning), "downsample");
  EXPECT_THROW(binned_width(10, binning), ConfigError);
  EXPECT_THROW(binned_width(-1, Binning{}), ShapeError);
}

}  // namespace
}  // namespace spikeloom::events
