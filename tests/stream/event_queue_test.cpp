#include "spikeloom/stream/event_queue.h"

#include <gtest/gtest.h>

#include <thread>

#include "spikeloom/stream/latency_histogram.h"

namespace spikeloom::stream {
namespace {

using std::chrono::milliseconds;

std::vector<events::Event> numbered(int count) {
  std::vector<events::Event> list;
  for (int i = 0; i < count; ++i) list.push_back({i, 0, 0, 0});
  return list;
}

TEST(EventQueue, KeepsTheOrderAroundItsEnd) {
  EventQueue queue(5);
  std::vector<ArrivedEvent> taken(3);
  std::int64_t next = 0;
  for (int round = 0; round < 7; ++round) {
    auto list = numbered(3);
    for (auto& event : list) event.t_us += 3 * round;
    ASSERT_EQ(queue.push(list, Clock::now(), false), 0u);
    ASSERT_EQ(queue.pop(taken.data(), 3, milliseconds(0)), 3u);
    for (const ArrivedEvent& one : taken) EXPECT_EQ(one.event.t_us, next++);
  }
}

TEST(EventQueue, LeavesOutWhatDoesNotFit) {
  EventQueue queue(4);
  const auto list = numbered(6);
  EXPECT_EQ(queue.push(list, Clock::now(), false), 2u);
  EXPECT_EQ(queue.push(list, Clock::now(), false), 6u);
  std::vector<ArrivedEvent> taken(10);
  EXPECT_EQ(queue.pop(taken.data(), taken.size(), milliseconds(0)), 4u);
  EXPECT_EQ(queue.pop(taken.data(), taken.size(), milliseconds(1)), 0u);
  EXPECT_FALSE(queue.is_done());
  queue.close();
  EXPECT_TRUE(queue.is_done());
}

TEST(EventQueue, WaitsForRoomAndLosesNothing) {
  EventQueue queue(4);
  const auto list = numbered(1000);
  std::size_t left = 1;
  std::thread writer([&] {
    left = queue.push(list, Clock::now(), true);
    queue.close();
  });
  std::vector<ArrivedEvent> taken(3);
  std::int64_t next = 0;
  while (!queue.is_done()) {
    const std::size_t count = queue.pop(taken.data(), taken.size(), milliseconds(100));
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(taken[i].event.t_us, next++);
  }
  writer.join();
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(next, 1000);
}

TEST(EventQueue, StopLetsAWaitingWriterGo) {
  EventQueue queue(2);
  std::size_t dropped = 1, mine = 0;
  std::thread writer([&] { dropped = queue.push(numbered(5), Clock::now(), true); });
  while (queue.push(numbered(1), Clock::now(), false) == 0) {
    ++mine;
    std::this_thread::yield();
  }
  queue.stop();
  writer.join();
  EXPECT_EQ(dropped, 0u);  // the writer would have waited
  EXPECT_EQ(queue.left(), 5 + mine);
  EXPECT_TRUE(queue.is_done());
  EXPECT_EQ(queue.push(numbered(3), Clock::now(), false), 0u);
  EXPECT_EQ(queue.left(), 8 + mine);
}

TEST(LatencyHistogram, QuantilesAreAtMostA32ndTooHigh) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile_us(0.5), 0.0);
  for (std::int64_t i = 1; i <= 100000; ++i) histogram.add(i * 37);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const double exact = share * 100000 * 37e-3;
    EXPECT_GE(histogram.quantile_us(share), exact);
    EXPECT_LE(histogram.quantile_us(share), exact * (1.0 + 1.0 / 32));
  }
  histogram.add(INT64_MAX);
  histogram.add(-1);
  EXPECT_GE(histogram.quantile_us(1.0), 1e-3 * 9.2e18);
  EXPECT_EQ(histogram.total(), 100002);
}

}  // namespace
}  // namespace spikeloom::stream
