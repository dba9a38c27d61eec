#include "spikeloom/base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace spikeloom {
namespace {

TEST(LogTest, GoesToTheSinkOrNowhere) {
  log(LogLevel::kInfo, "dropped");
  std::vector<std::pair<LogLevel, std::string>> seen;
  set_log_sink([&](LogLevel level, const std::string& message) { seen.emplace_back(level, message); });
  log(LogLevel::kWarning, "kept");
  set_log_sink({});
  log(LogLevel::kInfo, "dropped again");
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].first, LogLevel::kWarning);
  EXPECT_EQ(seen[0].second, "kept");
}

TEST(LogTest, OneMessageAtATime) {
  int inside = 0;
  int count = 0;
  bool overlapped = false;
  set_log_sink([&](LogLevel, const std::string&) {
    overlapped = overlapped || ++inside != 1;
    ++count;
    std::this_thread::yield();
    --inside;
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 200; ++k) log(LogLevel::kDebug, "x");
    });
  }
  for (std::thread& thread : threads) thread.join();
  set_log_sink({});
  EXPECT_EQ(count, 800);
  EXPECT_FALSE(overlapped);
}

}  // namespace
}  // namespace spikeloom
