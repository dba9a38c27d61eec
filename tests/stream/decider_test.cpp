// Windows, late events and gaps: each decision is what a session says of the same window by itself.
#include "spikeloom/stream/decider.h"

#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/binning.h"
#include "spikeloom/runtime/session.h"
#include "tests/stream/small_network.h"

namespace spikeloom::stream {
namespace {

using events::Event;
using namespace testing;

DeciderSettings settings_of(std::int64_t window, std::int64_t every) {
  DeciderSettings settings;
  settings.step_us = 1000;
  settings.window_steps = window;
  settings.every_steps = every;
  return settings;
}

struct Player {
  explicit Player(const DeciderSettings& settings)
      : decider(*runtime::make_classifier(small_network()), settings) {}
  void take(const std::vector<Event>& list) {
    for (const Event& event : list) decider.take(event, keep);
  }
  Decider decider;
  std::vector<Decision> decisions;
  Decider::Decided keep = [this](const Decision& decision) { decisions.push_back(decision); };
};

/// What a session says of the events from start_us on, binned as recordings are.
std::vector<float> votes_of(const std::vector<Event>& list, std::int64_t start_us, int steps,
                            bool binary = false) {
  events::EventStream stream{kWidth, kHeight, {}};
  for (Event event : list) {
    if (event.t_us >= start_us && event.t_us < start_us + 1000 * steps) stream.events.push_back(event);
  }
  // Binning starts at the first event: one at the start of the window, taken out again below.
  stream.events.insert(stream.events.begin(), {start_us, 0, 0, 0});
  events::Binning binning;
  binning.num_steps = steps;
  binning.window_us = 1000;
  std::vector<std::uint8_t> frames(static_cast<std::size_t>(steps) * kWidth * kHeight * 2);
  events::bin_events(stream, binning, frames.data());
  --frames[0];
  std::vector<float> values(frames.begin(), frames.end());
  if (binary) {
    for (float& value : values) value = value > 0.0f ? 1.0f : 0.0f;
  }
  runtime::Session session(small_network());
  session.run({values.data(), values.size()});
  return {session.votes().begin(), session.votes().end()};
}

TEST(Decider, TumblingWindowsAreWholeSamples) {
  const auto list = random_events(5000, 20, 6, 1);
  Player run(settings_of(4, 4));
  run.take(list);
  run.decider.flush(run.keep);
  ASSERT_EQ(run.decisions.size(), 5u);
  std::int64_t seen = 0;
  bool any = false;
  for (std::size_t i = 0; i < run.decisions.size(); ++i) {
    const Decision& decision = run.decisions[i];
    EXPECT_EQ(decision.start_us, 5000 + 4000 * static_cast<std::int64_t>(i));
    EXPECT_EQ(decision.end_us, decision.start_us + 4000);
    EXPECT_EQ(decision.votes, votes_of(list, decision.start_us, 4)) << i;
    for (const float vote : decision.votes) {
      EXPECT_LE(vote, decision.votes[static_cast<std::size_t>(decision.best)]);
      any = any || vote > 0.0f;
    }
    EXPECT_NE(decision.best, decision.runner_up);
    seen += decision.events;
  }
  EXPECT_TRUE(any);
  EXPECT_EQ(seen, static_cast<std::int64_t>(list.size()));
  EXPECT_EQ(run.decider.events(), seen);
  EXPECT_EQ(run.decider.steps(), 20);
  EXPECT_EQ(run.decider.synaptic_operations(), 6 * seen);  // each event reaches all six neurons
}

TEST(Decider, AWindowInWhichNothingFiresHasNoVotes) {
  Player run(settings_of(4, 4));
  run.take({{0, 0, 0, 0}, {4000, 0, 0, 0}, {9000, 0, 0, 0}});  // one event: no neuron reaches its threshold
  run.decider.flush(run.keep);
  ASSERT_EQ(run.decisions.size(), 3u);
  for (const Decision& decision : run.decisions) {
    EXPECT_EQ(decision.votes, std::vector<float>(kClasses));
    EXPECT_EQ(decision.best, -1);
    EXPECT_EQ(decision.runner_up, -1);
  }
}

TEST(Decider, SlidingWindowsAreEachASampleOfTheirOwn) {
  const auto list = random_events(-3000, 23, 5, 2);
  Player run(settings_of(5, 2));
  run.take(list);
  ASSERT_EQ(run.decisions.size(), 9u);  // after 5, 7, ... 21 steps; step 23 is open
  for (std::size_t i = 0; i < run.decisions.size(); ++i) {
    EXPECT_EQ(run.decisions[i].start_us, -3000 + 2000 * static_cast<std::int64_t>(i));
    EXPECT_EQ(run.decisions[i].votes, votes_of(list, run.decisions[i].start_us, 5)) << i;
  }
}

TEST(Decider, CarriedStateVotesWithTheLastStepsOfOneRun) {
  const auto list = random_events(0, 16, 5, 3);
  DeciderSettings settings = settings_of(4, 2);
  settings.carries_state = true;
  Player run(settings);
  run.take(list);
  run.decider.flush(run.keep);
  ASSERT_EQ(run.decisions.size(), 7u);
  // votes over [a, b) = (b votes(0..b) - a votes(0..a)) / (b - a)
  for (std::size_t i = 0; i < run.decisions.size(); ++i) {
    const int from = 2 * static_cast<int>(i), to = from + 4;
    const auto all = votes_of(list, 0, to);
    const auto before = from > 0 ? votes_of(list, 0, from) : std::vector<float>(kClasses);
    for (std::size_t k = 0; k < kClasses; ++k) {
      EXPECT_NEAR(run.decisions[i].votes[k],
                  (static_cast<float>(to) * all[k] - static_cast<float>(from) * before[k]) / 4.0f, 1e-6)
          << i;
    }
  }
}

TEST(Decider, LateEventsAreCountedAndChangeNothing) {
  auto list = random_events(0, 12, 4, 4);
  Player on_time(settings_of(4, 4)), late(settings_of(4, 4));
  on_time.take(list);
  auto with_late = list;
  with_late.insert(with_late.begin() + 30, {3, 1, 1, 1});
  with_late.insert(with_late.begin() + 40, {2000, 1, 1, 1});
  late.take(with_late);
  EXPECT_EQ(late.decider.late(), 2);
  ASSERT_EQ(late.decisions.size(), on_time.decisions.size());
  for (std::size_t i = 0; i < late.decisions.size(); ++i) {
    EXPECT_EQ(late.decisions[i].votes, on_time.decisions[i].votes);
  }
}

TEST(Decider, GapsAndTimeGoingBackStartAnew) {
  DeciderSettings settings = settings_of(4, 4);
  settings.gap_us = 10000;
  Player run(settings);
  const auto first = random_events(0, 6, 4, 5);
  run.take(first);
  EXPECT_EQ(run.decisions.size(), 1u);
  const auto second = random_events(std::int64_t{1} << 60, 6, 4, 6);
  run.take(second);  // the second window of the first part is finished before
  EXPECT_EQ(run.decider.restarts(), 1);
  ASSERT_EQ(run.decisions.size(), 3u);
  EXPECT_EQ(run.decisions[1].votes, votes_of(first, 4000, 4));
  EXPECT_EQ(run.decisions[2].votes, votes_of(second, std::int64_t{1} << 60, 4));
  run.take(random_events(-(std::int64_t{1} << 60), 5, 4, 7));
  EXPECT_EQ(run.decider.restarts(), 2);
  EXPECT_EQ(run.decisions.size(), 5u);
  EXPECT_LT(run.decider.steps(), 40);  // and no steps for the time between
}

TEST(Decider, FlushFinishesAWindowOnce) {
  Player run(settings_of(4, 4));
  run.decider.flush(run.keep);
  EXPECT_TRUE(run.decisions.empty());
  run.take({{100, 1, 1, 1}});
  run.decider.flush(run.keep);
  run.decider.flush(run.keep);
  ASSERT_EQ(run.decisions.size(), 1u);
  EXPECT_EQ(run.decisions[0].events, 1);
  run.take({{200, 1, 1, 1}, {4100, 1, 1, 1}});  // of the window that was finished; of the next
  EXPECT_EQ(run.decider.late(), 1);
  EXPECT_EQ(run.decider.events(), 2);
}

TEST(Decider, WhatIsOutsideIsCounted) {
  Player run(settings_of(4, 4));
  run.take({{0, kWidth, 0, 0}, {0, 0, kHeight, 0}, {0, 0, 0, 2}, {INT64_MAX, 0, 0, 0}, {INT64_MIN, 0, 0, 0}});
  EXPECT_EQ(run.decider.outside(), 3);
  EXPECT_EQ(run.decider.out_of_range(), 2);
  EXPECT_EQ(run.decider.events(), 0);
}

TEST(Decider, BinaryFramesHaveOnes) {
  DeciderSettings settings = settings_of(4, 4);
  settings.binary = true;
  Player run(settings);
  std::vector<Event> list;
  for (const Event& event : random_events(0, 8, 1, 8)) list.insert(list.end(), 3, event);
  run.take(list);
  ASSERT_GE(run.decisions.size(), 1u);
  EXPECT_EQ(run.decisions[0].votes, votes_of(list, 0, 4, true));
  EXPECT_NE(run.decisions[0].votes, votes_of(list, 0, 4));
}

TEST(Decider, SettingsOutOfRangeAreRefused) {
  const auto network = runtime::make_classifier(small_network());
  for (const auto& [window, every] : {std::pair{0, 1}, {4, 0}, {4, 5}, {2000, 1}}) {
    EXPECT_THROW(Decider(*network, settings_of(window, every)), ConfigError) << window << " " << every;
  }
  DeciderSettings settings = settings_of(4, 4);
  settings.gap_us = 3999;
  EXPECT_THROW(Decider(*network, settings), ConfigError);
  settings = settings_of(4, 4);
  settings.step_us = 0;
  EXPECT_THROW(Decider(*network, settings), ConfigError);
}

TEST(Decider, AStopIsHeardInTheStepsWithoutEvents) {
  DeciderSettings settings = settings_of(4, 4);
  settings.gap_us = 1000 * 1000;
  Player run(settings);
  std::atomic<bool> stop{false};
  run.decider.stop_with(stop);
  run.take({{0, 0, 0, 1}});
  stop = true;
  run.take({{900 * 1000, 0, 0, 1}});
  run.decider.flush(run.keep);
  EXPECT_EQ(run.decider.steps(), 0);
  EXPECT_EQ(run.decider.events(), 2);
  stop = false;
  run.take({{900 * 1000, 0, 0, 1}});
  EXPECT_EQ(run.decider.steps(), 900);
}

}  // namespace
}  // namespace spikeloom::stream
