// What the numbers of datagrams say: losses, repetitions, late ones, a sender that begins anew, the wrap of
// 64 bits.
#include "spikeloom/stream/sources/datagram_sequence.h"

#include <gtest/gtest.h>

#include <vector>

namespace spikeloom::stream {
namespace {

using Numbers = std::vector<std::uint64_t>;

Numbers range(std::uint64_t first, std::uint64_t count) {
  Numbers numbers;
  for (std::uint64_t i = 0; i < count; ++i) numbers.push_back(first + i);
  return numbers;
}

Numbers operator+(Numbers a, const Numbers& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Expected {
  std::int64_t lost, late, repeated, restarts;
};

void expect(const Numbers& numbers, const Expected& expected) {
  DatagramSequence sequence;
  for (const std::uint64_t number : numbers) sequence.take(number);
  const SequenceCounts& counts = sequence.counts();
  EXPECT_EQ(counts.lost, expected.lost);
  EXPECT_EQ(counts.late, expected.late);
  EXPECT_EQ(counts.repeated, expected.repeated);
  EXPECT_EQ(counts.restarts, expected.restarts);
}

TEST(DatagramSequence, GapsAreLostUntilTheyAreFilled) {
  expect(range(0, 9), {0, 0, 0, 0});
  expect({10, 11, 15, 16}, {3, 0, 0, 0});
  expect({10, 11, 15, 13, 16}, {2, 1, 0, 0});
  expect({0, 3, 2, 1, 4}, {0, 2, 0, 0});
  expect({5, 4, 6}, {0, 1, 0, 0});  // from before the first: late, never counted as lost
}

TEST(DatagramSequence, ARepeatedOneStandsForNoOther) {
  expect({0, 1, 1, 2, 4}, {1, 0, 1, 0});
  expect({0, 1, 3, 3, 1, 0, 4}, {1, 0, 3, 0});
  expect({0, 0, 1, 2}, {0, 0, 1, 0});
  expect({0, 1, 2, 1, 2, 3, 4}, {0, 0, 2, 0});
  expect({0, 2, 1, 1, 3}, {0, 1, 1, 0});  // one that was late, repeated
}

TEST(DatagramSequence, ASenderMayBeginAnew) {
  expect(range(0, 10) + range(0, 10), {0, 0, 0, 1});
  expect(range(100, 10) + range(0, 5), {0, 0, 0, 1});    // from before the first
  expect(range(0, 50000) + Numbers{0}, {0, 0, 0, 1});    // from far back: 0 shows it at once
  expect(range(0, 50000) + range(7, 3), {0, 0, 0, 1});   // the first ones were lost on the way
  expect(Numbers{0, 1, 5} + range(0, 9), {3, 0, 0, 1});  // over a gap, which stays lost
  expect(Numbers{0} + range(std::uint64_t{1} << 40, 3), {0, 0, 0, 1});
  expect(range(0, 10) + range(0, 10) + range(0, 10), {0, 0, 0, 2});
  expect(range(0, 6) + Numbers{0, 1, 2, 4}, {1, 0, 0, 1});  // and counts anew
}

TEST(DatagramSequence, AStrayOneIsNoNewBeginning) {
  expect(range(0, 5000) + Numbers{7} + range(5000, 5), {0, 1, 0, 0});
  expect(range(0, 5000) + Numbers{4990} + range(5000, 5), {0, 0, 1, 0});
}

TEST(DatagramSequence, NumbersWrap) {
  const std::uint64_t last = UINT64_MAX;
  expect({last - 1, last, 0, 1}, {0, 0, 0, 0});
  expect({last - 1, last, 1, 0, 2}, {0, 1, 0, 0});
  expect({last - 1, 0, last, last, 1}, {0, 1, 1, 0});
  expect({last - 1, 2}, {3, 0, 0, 0});
}

TEST(DatagramSequence, SaysWhatToDoWithEach) {
  DatagramSequence sequence;
  using Kind = DatagramSequence::Kind;
  for (const std::uint64_t number : range(0, 10)) EXPECT_EQ(sequence.take(number).kind, Kind::kNew);
  EXPECT_EQ(sequence.take(12).kind, Kind::kNew);
  EXPECT_EQ(sequence.take(11).kind, Kind::kLate);
  const auto first = sequence.take(0), second = sequence.take(1), third = sequence.take(2);
  EXPECT_EQ(first.kind, Kind::kRepeated);
  EXPECT_FALSE(first.follows);
  EXPECT_EQ(second.kind, Kind::kRepeated);
  EXPECT_TRUE(second.follows);
  EXPECT_EQ(third.kind, Kind::kNew);
  EXPECT_TRUE(third.restarted && third.follows);
  EXPECT_FALSE(sequence.take(3).restarted);
}

}  // namespace
}  // namespace spikeloom::stream
