// Steps by number of events, and steps that overlap, against their definition.
#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/binning.h"
#include "tests/events/streams.h"

namespace spikeloom::events {
namespace {

/// One pixel, one polarity: the frames are the numbers of events of the steps.
std::vector<int> counts(const std::vector<std::int64_t>& times, const Binning& binning) {
  EventStream stream{1, 1, {}};
  for (const std::int64_t t_us : times) stream.events.push_back({t_us, 0, 0, 0});
  std::vector<std::uint8_t> frames(static_cast<std::size_t>(binning.num_steps) * 2, 0xa5);
  bin_events(stream, binning, frames.data());
  std::vector<int> off;
  for (std::size_t i = 0; i < frames.size(); i += 2) {
    EXPECT_EQ(frames[i + 1], 0);
    off.push_back(frames[i]);
  }
  return off;
}

Binning by_count(int num_steps, std::int64_t events, std::int64_t overlap) {
  Binning binning;
  binning.slicing = Binning::kCount;
  binning.num_steps = num_steps;
  binning.events_per_step = events;
  binning.overlap_events = overlap;
  return binning;
}

Binning by_window(int num_steps, std::int64_t window_us, std::int64_t overlap_us) {
  Binning binning;
  binning.num_steps = num_steps;
  binning.window_us = window_us;
  binning.overlap_us = overlap_us;
  return binning;
}

TEST(Slicing, ByCountFillsStepAfterStepAndDropsTheRest) {
  const std::vector<std::int64_t> seven = {5, 5, 5, 6, 7, 900, 901};
  EXPECT_EQ(counts(seven, by_count(2, 3, 0)), (std::vector<int>{3, 3}));
  EXPECT_EQ(counts(seven, by_count(4, 3, 0)), (std::vector<int>{3, 3, 1, 0}));
  EXPECT_EQ(counts(seven, by_count(3, 3, 2)), (std::vector<int>{3, 3, 3}));     // 0-2, 1-3, 2-4
  EXPECT_EQ(counts(seven, by_count(4, 4, 2)), (std::vector<int>{4, 4, 3, 1}));  // 0-3, 2-5, 4-6, 6
}

TEST(Slicing, WindowsOverlapByHand) {
  // Windows of 10 every 6: [0, 10), [6, 16), [12, 22), from the first event at 100.
  const std::vector<std::int64_t> times = {100, 106, 109, 110, 112, 115, 116, 121, 122};
  EXPECT_EQ(counts(times, by_window(3, 10, 4)), (std::vector<int>{3, 5, 4}));
  EXPECT_EQ(counts(times, by_window(3, 10, 0)), (std::vector<int>{3, 4, 2}));
}

TEST(Slicing, WindowsFromTimeZeroByHand) {
  const std::vector<std::int64_t> times = {-3, -1, 4, 9, 10, 19, 20, 35};
  Binning binning = by_window(3, 10, 0);
  EXPECT_EQ(counts(times, binning), (std::vector<int>{3, 2, 2})) << "from the first event on";
  binning.from_zero = true;
  EXPECT_EQ(counts(times, binning), (std::vector<int>{2, 2, 1})) << "what lies before 0 is in none";
  binning.overlap_us = 5;
  EXPECT_EQ(counts(times, binning), (std::vector<int>{2, 2, 2})) << "[0, 10), [5, 15), [10, 20)";
}

TEST(Slicing, EqualsTheDefinitionForRandomRecordings) {
  for (std::uint64_t round = 0; round < 500; ++round) {
    RandomStream random(3, RandomPurpose::kBench, round);
    const std::int64_t length = 1 + random.below(30);
    const std::int64_t overlap = random.below(static_cast<std::uint32_t>(length));
    const int num_steps = 1 + static_cast<int>(random.below(8));
    std::vector<std::int64_t> times(1 + random.below(60));
    for (std::size_t i = 0; i < times.size(); ++i) times[i] = (i == 0 ? -50 : times[i - 1]) + random.below(5);
    std::vector<int> in_time(static_cast<std::size_t>(num_steps)), in_count = in_time;
    for (std::size_t i = 0; i < times.size(); ++i) {
      for (int k = 0; k < num_steps; ++k) {
        const std::int64_t begin = k * (length - overlap);
        const auto number = static_cast<std::int64_t>(i);
        const std::int64_t since = times[i] - times[0];
        in_time[static_cast<std::size_t>(k)] += since >= begin && since < begin + length ? 1 : 0;
        in_count[static_cast<std::size_t>(k)] += number >= begin && number < begin + length ? 1 : 0;
      }
    }
    ASSERT_EQ(counts(times, by_window(num_steps, length, overlap)), in_time) << "round " << round;
    ASSERT_EQ(counts(times, by_count(num_steps, length, overlap)), in_count) << "round " << round;
  }
}

TEST(Slicing, ExtremeTimesAndLengthsAreSafe) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(counts({kMin, 0, kMax}, by_window(3, kMax, 1)), (std::vector<int>{1, 1, 1}));
  EXPECT_EQ(counts({kMin, kMax}, by_window(2, kMax, kMax - 1)), (std::vector<int>{1, 0}));
  EXPECT_EQ(counts({1, 2, 3}, by_count(2, kMax, kMax - 1)), (std::vector<int>{3, 2}));
}

TEST(Slicing, OverlapsOutsideTheirRangeAreRefusedByName) {
  const auto refused = [](const Binning& binning) -> std::string {
    try {
      counts({1}, binning);
    } catch (const ConfigError& error) {
      return error.key();
    }
    return "";
  };
  EXPECT_EQ(refused(by_window(1, 10, 10)), "overlap_us");
  EXPECT_EQ(refused(by_window(1, 10, -1)), "overlap_us");
  EXPECT_EQ(refused(by_count(1, 0, 0)), "events_per_step");
  EXPECT_EQ(refused(by_count(1, 5, 5)), "overlap_events");
  EXPECT_EQ(refused(by_count(1, 5, 4)), "");
}

}  // namespace
}  // namespace spikeloom::events
