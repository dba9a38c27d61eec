#include "spikeloom/formats/events/records/es.h"

#include <gtest/gtest.h>

#include "tests/formats/events/recordings.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;
using testing::operator+;

Bytes version2(std::uint8_t kind, const Bytes& data) {
  return bytes_of("Event Stream") + Bytes{2, 0, 0, kind, 0x40, 0x01, 0xf0, 0x00} + data;  // 320 x 240
}
Bytes version1(std::uint8_t kind, const Bytes& data) {
  return bytes_of("Event Stream") + Bytes{1, 0, kind} + data;
}

TEST(Es, Dvs2MeansWhatTheTableSays) {
  const Bytes file =
      version2(1, {0x0b, 0x3f, 0x01, 0xef, 0x00,              // 5 us, on at (319, 239)
                   0xff, 0xff, 0xfe, 0x00, 0x02, 0x00, 3, 0,  // two steps of 127 us, one of nothing
                   0xfd, 0xfe, 0x00, 0xff & 0x7f, 0});        // 126 us; a first byte within is no step
  const Decoded decoded = decode(file);
  EXPECT_EQ(decoded.error, "");
  EXPECT_EQ(decoded.format, "Event Stream");
  EXPECT_EQ(decoded.width, 320);
  EXPECT_EQ(decoded.height, 240);
  const Events expected{{5, 319, 239, 1}, {259, 2, 3, 0}, {385, 254, 127, 1}};
  EXPECT_EQ(decoded.events, expected);
  EXPECT_EQ(decode(file, {}, 1).events, expected);
}

TEST(Es, Atis2MeansWhatTheTableSaysAndCrossingsAreNoEvents) {
  const Bytes file =
      version2(2, {0x16, 1, 0, 2, 0,        // 5 us, on
                   0xff, 0xfd, 0xfc,        // 3, 1 and 0 times 63 us
                   0x09, 0xff, 0xff, 9, 9,  // 2 us, a threshold crossing: not given, wherever it is
                   0xf8, 3, 0, 4, 0});      // 62 us, off
  EXPECT_EQ(decode(file).events, (Events{{5, 1, 2, 1}, {5 + 252 + 2 + 62, 3, 4, 0}}));
}

TEST(Es, Dvs1MeansWhatTheTableSays) {
  const Bytes file = version1(0, {0x5e, 0xff, 0xff,    // 14 us, x 1023 - 10, y 511, on
                                  0xff, 0x2f, 0x0f,    // 15, 2 and 0 times 15 us
                                  0x10, 0x40, 0x02});  // 0 us, x 1, y 1 + 8, off
  const Decoded decoded = decode(file);
  EXPECT_EQ(decoded.width, 0) << "version 1 does not say it";
  EXPECT_EQ(decoded.events, (Events{{14, 1013, 511, 1}, {14 + 255, 1, 9, 0}}));
  EXPECT_EQ(decode(file, {"auto", 304, 240}).error_offset, 15);
}

TEST(Es, Atis1MeansWhatTheTableSays) {
  const Bytes file = version1(1, {0x7e, 0x81, 0xbf,    // 30 us, x 3 + 8, y 2 + 252, on
                                  0xff, 0x1f,          // 7 and 0 times 31 us
                                  0x01, 0x00, 0x40,    // 1 us, a threshold crossing
                                  0x22, 0x00, 0x00});  // 2 us, x 1, y 0, off
  EXPECT_EQ(decode(file).events, (Events{{30, 11, 254, 1}, {30 + 217 + 3, 1, 0, 0}}));
}

TEST(Es, OtherStreamsAndVersionsAreRefusedByName) {
  EXPECT_NE(decode(version2(0, {})).error.find("generic"), std::string::npos);
  EXPECT_NE(decode(version2(3, {})).error.find("display"), std::string::npos);
  EXPECT_NE(decode(version2(4, {})).error.find("color"), std::string::npos);
  EXPECT_NE(decode(version2(5, {})).error.find("kind 5"), std::string::npos);
  EXPECT_NE(decode(version1(4, {})).error.find("generic"), std::string::npos);
  EXPECT_NE(decode(version1(5, {})).error.find("liquid"), std::string::npos);
  EXPECT_NE(decode(bytes_of("Event Stream") + Bytes{0, 1, 0}).error.find("version 0.1"), std::string::npos);
  EXPECT_EQ(decode(version2(1, {})).error, "") << "a recording without events is one";
}

TEST(Es, EventsOutsideAreRefusedAtTheirByteAfterThoseBefore) {
  for (const Bytes& bad : {Bytes{0, 0x40, 0x01, 0, 0}, Bytes{0, 0, 0, 0xf0, 0}}) {
    const Decoded decoded = decode(version2(1, Bytes{2, 1, 0, 1, 0} + bad));
    EXPECT_EQ(decoded.events.size(), 1u);
    EXPECT_EQ(decoded.error_offset, 25);
  }
}

TEST(Es, CutsAndDamageAreSurvived) {
  const Bytes good = version2(1, {2, 1, 0, 1, 0, 0xff, 3, 2, 0, 2, 0, 5, 7, 0, 9, 0});
  const auto reader = [](const std::string& path) { read_events(path, {"es"}); };
  testing::expect_truncations_refused(reader, good, [](std::size_t length) {
    return length == 20 || length == 25 || length == 26 || length == 31;
  });
  testing::expect_mutations_survived(reader, good, 2000);
}

TEST(Es, PiecesAreTheWhole) {
  Bytes data;
  std::uint32_t state = 1;
  for (int i = 0; i < 200000; ++i) {  // more than a window
    state = state * 1664525u + 1013904223u;
    if (state >> 31 != 0) data.push_back(0xff);
    data.push_back(static_cast<std::uint8_t>((state >> 8 & 0x7e) << 1));
    data.push_back(static_cast<std::uint8_t>(state >> 16));
    data.push_back(0);
    data.push_back(static_cast<std::uint8_t>(state >> 24 & 0x7f));
    data.push_back(0);
  }
  const Bytes file = version2(1, data);
  const Decoded whole = decode(file, {}, 100000);
  EXPECT_EQ(whole.error, "");
  EXPECT_EQ(whole.events.size(), 200000u);
  EXPECT_TRUE(testing::decode_unevenly(file, {}).events == whole.events);
}

}  // namespace
}  // namespace spikeloom::formats
