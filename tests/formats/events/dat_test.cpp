#include <gtest/gtest.h>

#include "tests/formats/events/recordings.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;
using testing::words32;
using testing::operator+;

const char kHeader[] = "% Data file containing CD events.\n% Version 2\n% Height 240\n% Width 304\n";
const Bytes kType{0x0c, 8};

Bytes dat(const std::vector<std::uint32_t>& words) { return bytes_of(kHeader) + kType + words32(words); }

TEST(Dat, Version2MeansWhatTheTableSays) {
  const Decoded decoded = decode(dat({7, 1u | 240u << 14, 9, 0x1000012fu}));
  EXPECT_EQ(decoded.error_offset, static_cast<std::int64_t>(sizeof(kHeader) + 1)) << "y = 240 is outside";
  const Decoded good = decode(dat({7, 1u | 239u << 14, 9, 0x1000012fu}));
  EXPECT_EQ(good.format, "DAT");
  EXPECT_EQ(good.width, 304);
  EXPECT_EQ(good.height, 240);
  EXPECT_EQ(good.events, (Events{{7, 1, 239, 0}, {9, 303, 0, 1}}));
}

TEST(Dat, Version1MeansWhatTheTableSays) {
  const Bytes words = words32({7, 0x12fu | 239u << 9, 9, 1u << 17});
  const Events expected{{7, 303, 239, 0}, {9, 0, 0, 1}};
  EXPECT_EQ(decode(words, {"dat-v1"}).events, expected) << "without a header";
  EXPECT_EQ(decode(bytes_of("% Version 1\n") + kType + words).events, expected);
  const Bytes unsaid = bytes_of("% Data file containing events\n") + Bytes{0, 8};
  EXPECT_NE(decode(unsaid + words).error.find("dat-v1 or dat-v2"), std::string::npos) << "may be either";
  EXPECT_EQ(decode(unsaid + words, {"dat-v1"}).events, expected);
  EXPECT_EQ(decode(unsaid).error, "") << "without events it does not matter";
}

/// 50 events of version 2 without a line that says so, some of them in the first rows and off.
Bytes unsaid_version2(const std::string& size, std::uint32_t stray = 0) {
  std::vector<std::uint32_t> words;
  for (std::uint32_t i = 0; i < 50; ++i) {
    words.push_back(10 * i);
    words.push_back(i | (4 * i) << 14 | (i & 1) << 28 | (i == 7 ? stray : 0));
  }
  return bytes_of("% Data file containing events\n" + size) + Bytes{0, 8} + words32(words);
}

TEST(Dat, AVersionThatIsNotSaidIsAskedForUnlessMostAddressesSettleIt) {
  std::vector<std::uint32_t> words;
  for (std::uint32_t i = 0; i < 50; ++i) {
    words.push_back(10 * i);
    words.push_back(i | i << 9 | (i & 1) << 17);
  }
  const auto file = [&] {
    return bytes_of("% Data file containing events\n") + Bytes{0, 8} + words32(words);
  };
  EXPECT_NE(decode(file()).error.find("data.format"), std::string::npos);
  words[15] |= 1u << 25;
  EXPECT_NE(decode(file()).error.find("dat-v1 or dat-v2"), std::string::npos) << "one stray bit";
  EXPECT_TRUE(decode(file()).events.empty());
  const Decoded sure = decode(unsaid_version2(""));
  ASSERT_EQ(sure.events.size(), 50u) << sure.error;
  EXPECT_EQ(sure.events[9], (events::Event{90, 9, 36, 1}));
  EXPECT_EQ(decode(unsaid_version2("% Width 50\n% Height 200\n")).events, sure.events);
  EXPECT_NE(decode(unsaid_version2("% Width 40\n% Height 200\n")).error.find("dat-v1"), std::string::npos)
      << "not of this sensor";
  EXPECT_NE(decode(unsaid_version2(""), {"auto", 50, 100}).error, "") << "nor of that one";
  EXPECT_NE(decode(unsaid_version2("", 1u << 29)).error, "") << "a bit that version 2 does not have";
  EXPECT_NE(decode(bytes_of("% Data file containing events\n") + Bytes{0, 8} +
                   words32({7, 1u | 239u << 14, 9, 1u << 28}))
                .error,
            "")
      << "two events are too few";
}

TEST(Dat, VersionsThatContradictEachOtherAreAnError) {
  const Bytes words = words32({7, 1});
  const Bytes file = bytes_of("% Version 2\n% Version 1\n") + kType + words;
  for (const char* part : {"'% Version 2'", "'% Version 1'", "dat-v1"}) {
    EXPECT_NE(decode(file).error.find(part), std::string::npos) << decode(file).error;
    EXPECT_NE(decode(file, {"dat"}).error.find(part), std::string::npos);
  }
  EXPECT_EQ(decode(file, {"dat-v1"}).events.size(), 1u);
}

TEST(Dat, FilesWithoutAHeaderNeedTheirVersion) {
  const Bytes words = words32({7, 1u | 2u << 14 | 1u << 28});
  EXPECT_EQ(decode(words, {"dat-v2"}).events, (Events{{7, 1, 2, 1}}));
  EXPECT_NE(decode(words, {"dat"}).error.find("dat-v1"), std::string::npos);
  EXPECT_EQ(decode(words, {"dat-v2", 1, 3}).error_offset, 0);
}

TEST(Dat, TimeGoesOnWhenItWraps) {
  const Decoded decoded = decode(dat({0xfffffff0u, 0, 4, 0, 2, 0}));
  constexpr std::int64_t kRange = std::int64_t{1} << 32;
  EXPECT_EQ(decoded.events, (Events{{kRange - 16, 0, 0, 0}, {kRange + 4, 0, 0, 0}, {kRange + 2, 0, 0, 0}}));
}

TEST(Dat, OtherEventsAreRefused) {
  const Bytes words = words32({7, 1});
  EXPECT_EQ(decode(bytes_of(kHeader) + Bytes{0x28, 8} + words).error_offset,
            static_cast<std::int64_t>(sizeof(kHeader) - 1));
  EXPECT_NE(decode(bytes_of(kHeader) + Bytes{0x0c, 16} + words).error, "");
  EXPECT_NE(decode(bytes_of("% Version 3\n") + kType + words).error, "");
  EXPECT_NE(decode(bytes_of(kHeader)).error, "");
  EXPECT_NE(decode(bytes_of(kHeader) + Bytes{0x0c}).error, "");
  EXPECT_EQ(decode(bytes_of(kHeader) + kType).error, "") << "a recording without events is one";
}

TEST(Dat, ReadsARealRecording) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "dat/sample_ncars.dat");
  const events::EventStream stream = read_events(path);
  ASSERT_EQ(stream.events.size(), 2009u);
  EXPECT_EQ(stream.events[0], (events::Event{0, 25, 8, 0}));
  std::int64_t on = 0;
  for (const events::Event& event : stream.events) on += event.polarity;
  EXPECT_EQ(on, 1350);
  EXPECT_EQ(stream.events.back().t_us, 99952);
  EXPECT_EQ(stream.width, 78) << "one more than the largest column";
}

}  // namespace
}  // namespace spikeloom::formats
