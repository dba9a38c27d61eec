#include "spikeloom/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace spikeloom {
namespace {

using Block = std::array<std::uint32_t, 4>;

TEST(RandomTest, PhiloxKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kAll = 0xffffffff;
  EXPECT_EQ(philox4x32({kAll, kAll, kAll, kAll}, {kAll, kAll}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomTest, StreamsOfPurposesSeedsAndItemsDiffer) {
  std::set<std::uint32_t> firsts;
  int streams = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32}) {
    for (const RandomPurpose purpose :
         {RandomPurpose::kInit, RandomPurpose::kShuffle, RandomPurpose::kDropout}) {
      for (const std::uint64_t item : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 40}) {
        for (const std::uint64_t sub_item : {0, 1, 2}) {
          firsts.insert(RandomStream(seed, purpose, item, sub_item).next_u32());
          ++streams;
        }
      }
    }
  }
  EXPECT_EQ(static_cast<int>(firsts.size()), streams);
}

TEST(RandomTest, SameStreamSameNumbers) {
  RandomStream a(3, RandomPurpose::kAugment, 5, 6);
  RandomStream b(3, RandomPurpose::kAugment, 5, 6);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(a.next_u32(), b.next_u32());
}

TEST(RandomTest, UniformIsInRangeAndEven) {
  RandomStream stream(1, RandomPurpose::kInit);
  constexpr int kCount = 100000;
  double sum = 0.0;
  for (int i = 0; i < kCount; ++i) {
    const float value = stream.uniform();
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
    sum += static_cast<double>(value);
  }
  EXPECT_NEAR(sum / kCount, 0.5, 0.005);  // 5 standard deviations
}

TEST(RandomTest, BelowIsUniform) {
  RandomStream stream(2, RandomPurpose::kShuffle);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts[stream.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(stream.below(1), 0u);
  // Four values share three results here: without rejection every third result comes twice as often.
  int multiples = 0;
  for (int i = 0; i < 30000; ++i) multiples += stream.below(0xC0000000u) % 3 == 0 ? 1 : 0;
  EXPECT_NEAR(multiples, 10000, 500);
}

TEST(RandomTest, NormalHasItsMoments) {
  RandomStream stream(4, RandomPurpose::kInit);
  constexpr int kCount = 100000;
  double mean = 0.0;
  double square = 0.0;
  double fourth = 0.0;
  for (int i = 0; i < kCount; ++i) {
    const double value = stream.normal();
    ASSERT_TRUE(std::isfinite(value));
    mean += value / kCount;
    square += value * value / kCount;
    fourth += value * value * value * value / kCount;
  }
  EXPECT_NEAR(mean, 0.0, 0.016);
  EXPECT_NEAR(square, 1.0, 0.025);
  EXPECT_NEAR(fourth, 3.0, 0.2);
}

TEST(RandomTest, PermutationHoldsEveryNumberOnce) {
  for (const std::int64_t size : {0, 1, 2, 1000}) {
    auto order = random_permutation(size, 9, RandomPurpose::kShuffle, 1);
    EXPECT_EQ(order, random_permutation(size, 9, RandomPurpose::kShuffle, 1));
    if (size == 1000) {
      EXPECT_NE(order, random_permutation(size, 9, RandomPurpose::kShuffle, 2));
    }
    std::sort(order.begin(), order.end());
    for (std::int64_t i = 0; i < size; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

}  // namespace
}  // namespace spikeloom
