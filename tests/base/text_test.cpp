#include "spikeloom/base/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace spikeloom {
namespace {

TEST(Text, NumbersGetSeparators) {
  EXPECT_EQ(with_separators(0), "0");
  EXPECT_EQ(with_separators(999), "999");
  EXPECT_EQ(with_separators(1000), "1,000");
  EXPECT_EQ(with_separators(45049188), "45,049,188");
  EXPECT_EQ(with_separators(-999), "-999");
  EXPECT_EQ(with_separators(-123456), "-123,456");
  EXPECT_EQ(with_separators(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Text, OneLineHasNoControlCharacters) {
  EXPECT_EQ(one_line("a\nb\x1b[0m\x7f\xc3\xa9"), "a?b?[0m?\xc3\xa9");
}

TEST(Text, ShellQuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(shell_quoted("runs/a-2_b.c"), "runs/a-2_b.c");
  EXPECT_EQ(shell_quoted("my run"), "'my run'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted("$(x)"), "'$(x)'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(Text, NounsAgreeWithTheirNumber) {
  EXPECT_EQ(counted(0, "event"), "0 events");
  EXPECT_EQ(counted(1, "event"), "1 event");
  EXPECT_EQ(counted(1234, "event"), "1,234 events");
  EXPECT_EQ(counted(1, "class", "classes"), "1 class");
  EXPECT_EQ(counted(2, "class", "classes"), "2 classes");
  EXPECT_EQ(noun_for(1, "thread"), "thread");
  EXPECT_EQ(noun_for(2, "thread"), "threads");
}

}  // namespace
}  // namespace spikeloom
