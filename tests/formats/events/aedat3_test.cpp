#include <gtest/gtest.h>

#include <utility>

#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

using testing::aedat3_header;
using testing::aedat3_packet;
using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;
using testing::little_endian;
using testing::operator+;

const Events kEvents = {{5, 1, 2, 1}, {7, 127, 126, 0}, {9, 0, 127, 1}};

TEST(Aedat3, ReadsTheByteTable) {
  const Bytes other = little_endian({2, 1}, 2) + little_endian({12, 4, 0, 2, 2, 2}, 4) + Bytes(24, 0xff);
  const Decoded decoded = decode(aedat3_header() + other + aedat3_packet(kEvents) + other +
                                 aedat3_packet({}) + aedat3_packet({{3, 4, 5, 0}}, 1, 2));
  Events expected = kEvents;
  expected.push_back({(std::int64_t{2} << 31) + 3, 4, 5, 0});
  EXPECT_EQ(decoded.error, "");
  EXPECT_EQ(decoded.format, "AEDAT 3.1");
  EXPECT_EQ(decoded.events, expected);
  EXPECT_EQ(decoded.width, 128);
  EXPECT_EQ(decoded.height, 128);
}

TEST(Aedat3, TheSensorIsKnownByItsName) {
  const auto size = [](const std::string& line, const EventReaderOptions& options = {}) {
    const Decoded decoded = decode(aedat3_header(line) + aedat3_packet(kEvents), options);
    return std::make_pair(decoded.width, decoded.height);
  };
  EXPECT_EQ(size("#Source 1: DAVIS240C"), std::make_pair(240, 180));
  EXPECT_EQ(size("#Source 1: DAVIS346B"), std::make_pair(346, 260));
  EXPECT_EQ(size("#Source 1: Davis346Cbsi"), std::make_pair(346, 260));
  EXPECT_EQ(size("#Source 1: DVXplorer"), std::make_pair(640, 480));
  EXPECT_EQ(size("#Source 1: DVXplorer Lite"), std::make_pair(320, 240));
  EXPECT_EQ(size("#Source 1: DVS1280"), std::make_pair(0, 0)) << "not a DVS128";
  EXPECT_EQ(size("#Source 1: DAVIS240Mirror"), std::make_pair(0, 0));
  EXPECT_EQ(size("#Source 2: DAVIS346B"), std::make_pair(0, 0));
  EXPECT_EQ(size("#Source 1: Test"), std::make_pair(0, 0));
  EXPECT_EQ(size("#Source 1: Test", {"auto", 640, 480}), std::make_pair(640, 480));
}

TEST(Aedat3, InvalidEventsAreSkipped) {
  const Bytes bytes = aedat3_header() + aedat3_packet(kEvents, 1, 0, 2) + aedat3_packet({}, 2);
  EXPECT_EQ(decode(bytes).events, Events(kEvents.begin(), kEvents.begin() + 2));
}

EventReaderOptions of_camera(const std::string& camera) {
  EventReaderOptions options;
  options.camera = camera;
  return options;
}

TEST(Aedat3, OfSeveralSourcesOneIsChosen) {
  const Events others = {{6, 200, 150, 0}};
  const Bytes header = aedat3_header("#Source 1: DVS128\r\n#Source 2: DAVIS240C");
  const Bytes file =
      header + aedat3_packet(kEvents, 1) + aedat3_packet(others, 2) + aedat3_packet(kEvents, 1);
  const Decoded asked = decode(file);
  EXPECT_TRUE(asked.events.empty());
  for (const char* part : {"several cameras", "1 (DVS128), 2 (DAVIS240C)", "--camera", "data.camera"}) {
    EXPECT_NE(asked.error.find(part), std::string::npos) << asked.error;
  }
  for (const char* camera : {"2", "DAVIS240C"}) {
    const Decoded second = decode(file, of_camera(camera));
    EXPECT_EQ(second.error, "");
    EXPECT_EQ(second.events, others);
    EXPECT_EQ(second.width, 240);
  }
  EXPECT_EQ(decode(file, of_camera("1")).events.size(), 2 * kEvents.size());
  EXPECT_EQ(decode(file, of_camera("1")).width, 128);
  for (const char* camera : {"0", "3", "DVS", "123456"})
    EXPECT_THROW(decode(file, of_camera(camera)), ConfigError);
  EXPECT_THROW(decode(aedat3_header("#Source 1: DVS128\r\n#Source 2: DVS128") + aedat3_packet(kEvents),
                      of_camera("DVS128")),
               ConfigError)
      << "both are named so";
  EXPECT_NE(decode(aedat3_header("#Source 1: DVS128\r\n#Source 1: DAVIS240C") + aedat3_packet(kEvents)).error,
            "")
      << "two names";
}

TEST(Aedat3, ASourceThatTheHeaderDoesNotListIsAskedForWhereItComes) {
  const Bytes file = aedat3_header() + aedat3_packet(kEvents, 1) + aedat3_packet(kEvents, 2);
  const Decoded asked = decode(file);
  EXPECT_EQ(asked.events, kEvents);
  EXPECT_NE(asked.error.find("1 (DVS128), 2"), std::string::npos) << asked.error;
  EXPECT_EQ(decode(file, of_camera("2")).events, kEvents);
  EXPECT_EQ(decode(file, of_camera("2")).width, 0) << "its sensor is not said";
}

TEST(Aedat3, DamageIsNamedAtItsByteAfterTheEventsBeforeIt) {
  const Bytes header = aedat3_header();
  const auto begin = static_cast<std::int64_t>(header.size());
  const auto refused = [&](std::size_t place, int value) {
    Bytes packet = aedat3_packet(kEvents);
    packet[place] = static_cast<std::uint8_t>(value);
    const Decoded decoded = decode(header + aedat3_packet(kEvents) + packet);
    EXPECT_EQ(decoded.events.size(), 3u) << place;
    return decoded.error_offset - begin - static_cast<std::int64_t>(packet.size());
  };
  EXPECT_EQ(refused(7, 0x80), 4) << "bytes an event";
  EXPECT_EQ(refused(4, 12), 4);
  EXPECT_EQ(refused(8, 0), 8);
  EXPECT_EQ(refused(15, 0x80), 12);
  EXPECT_EQ(refused(19, 0x80), 16);
  EXPECT_EQ(refused(20, 4), 20) << "more events than room for them";
  EXPECT_EQ(refused(24, 4), 24);
  Bytes negative = aedat3_packet(kEvents);
  negative[28 + 8 + 7] = 0x80;
  EXPECT_EQ(decode(header + negative).error_offset, begin + 28 + 8 + 4) << "a timestamp below 0";
  Bytes outside = aedat3_packet(kEvents);
  outside[28 + 8 + 3] = 0xff;
  const Decoded decoded = decode(header + outside);
  EXPECT_EQ(decoded.events.size(), 1u);
  EXPECT_EQ(decoded.error_offset, begin + 28 + 8);
}

TEST(Aedat3, OtherVersionsAndFormatsAreRefused) {
  EXPECT_NE(decode(bytes_of("#!AER-DAT3.0\r\n#!END-HEADER\r\n")).error, "");
  EXPECT_NE(decode(bytes_of("#!AER-DAT3.1\r\n#Format: SerializedTS\r\n#!END-HEADER\r\n")).error, "");
  EXPECT_NE(decode(bytes_of("#!AER-DAT3.1\r\n#Format: RAW\r\n") + aedat3_packet(kEvents)).error, "");
}

TEST(Aedat3, CutsAndDamageAreSurvived) {
  const Bytes good = aedat3_header() + aedat3_packet(kEvents) + aedat3_packet(kEvents, 1, 1);
  const auto header = aedat3_header().size(), packet = aedat3_packet(kEvents).size();
  const auto reader = [](const std::string& path) { read_events(path, {"aedat3"}); };
  testing::expect_truncations_refused(
      reader, good, [&](std::size_t length) { return length == header || length == header + packet; });
  testing::expect_mutations_survived(reader, good, 2000);
  // A capacity that the file does not justify asks for no memory.
  Bytes huge = aedat3_packet({});
  huge[19] = huge[23] = huge[27] = 0x7f;
  testing::reset_largest_allocation();
  EXPECT_NE(decode(aedat3_header() + huge).error, "");
  EXPECT_LT(testing::largest_allocation(), std::size_t{1} << 20);
}

TEST(Aedat3, PiecesAreTheWhole) {
  const Events events = testing::made_up_events(3, 5000, 128, 128, 0, 50);
  Bytes bytes = aedat3_header();
  for (std::size_t i = 0; i < events.size(); i += 500) {
    bytes = std::move(bytes) + aedat3_packet({events.begin() + static_cast<std::ptrdiff_t>(i),
                                              events.begin() + static_cast<std::ptrdiff_t>(i + 500)});
  }
  EXPECT_EQ(decode(bytes).events, events);
  EXPECT_EQ(decode(bytes, {}, 1).events, events);
  EXPECT_EQ(testing::decode_unevenly(bytes, {}).events, events);
}

TEST(Aedat3, ReadsRealFiles) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat3/aedat3_for_testing.aedat");
  // The values of the bytes as shown by a hex dump; the writer of this file sets no valid bit.
  const Events expected = {
      {15, 127, 126, 1}, {88, 18, 98, 1}, {1254, 15, 19, 0}, {1265, 28, 19, 1}, {1288, 17, 17, 1}};
  const events::EventStream stream = read_events(path);
  EXPECT_EQ(stream.events, expected);
  SPIKELOOM_REAL_FILE(larger, "SPIKELOOM_EVENT_FILES", "aedat3/aedat2_for_testing.aedat");
  EXPECT_EQ(read_events(larger).events.size(), 18u);
}

}  // namespace
}  // namespace spikeloom::formats
