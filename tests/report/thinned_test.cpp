#include "spikeloom/report/thinned.h"

#include <gtest/gtest.h>

namespace spikeloom::report {
namespace {

TEST(Thinned, KeepsEveryStridethAndTheLast) {
  for (int count : {0, 1, 2, 7, 8, 9, 63, 64, 65, 1000}) {
    Thinned<int> thinned(4);
    for (int i = 0; i < count; ++i) thinned.add(i);
    EXPECT_EQ(thinned.is_thinned(), count > 8);
    const std::vector<int> kept = thinned.take();
    if (count == 0) {
      EXPECT_TRUE(kept.empty());
      continue;
    }
    EXPECT_EQ(kept.front(), 0);
    EXPECT_EQ(kept.back(), count - 1);
    EXPECT_LE(kept.size(), 9u);
    if (count > 8) {
      EXPECT_GE(kept.size(), 4u);
    }
    for (std::size_t i = 2; i + 1 < kept.size(); ++i) EXPECT_EQ(kept[i] - kept[i - 1], kept[1] - kept[0]);
  }
}

TEST(Thinned, LeavesThePointsAsTheyAre) {
  Thinned<std::vector<int>> thinned(4);
  for (int i = 0; i < 20; ++i) thinned.add({i, i});
  for (const auto& point : thinned.take()) EXPECT_EQ(point.size(), 2u);
}

TEST(Thinned, TakesBackTheLastPoints) {
  Thinned<int> thinned(4);
  for (int i = 0; i < 20; ++i) thinned.add(i);  // 0, 4, 8, 12, 16 and 19
  thinned.take_back([](int one) { return one >= 18; });
  EXPECT_EQ(thinned.take(), (std::vector<int>{0, 4, 8, 12, 16}));
  Thinned<int> other(4);
  for (int i = 0; i < 20; ++i) other.add(i);
  other.take_back([](int one) { return one >= 9; });
  for (int i = 9; i < 12; ++i) other.add(i);
  EXPECT_EQ(other.take(), (std::vector<int>{0, 4, 8, 9, 11}));
}

}  // namespace
}  // namespace spikeloom::report
