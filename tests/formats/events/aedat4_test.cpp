#include <gtest/gtest.h>

#include <algorithm>

#include "spikeloom/formats/events/aedat/aedat4_streams.h"
#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

using testing::aedat4_file;
using testing::aedat4_packet;
using testing::Bytes;
using testing::bytes_of;
using testing::compressed;
using testing::decode;
using testing::Decoded;
using testing::event_packet;
using testing::Events;
using testing::kLz4;
using testing::kRaw;
using testing::kZstd;
using testing::little_endian;
using testing::operator+;

class Aedat4Compression : public ::testing::TestWithParam<int> {
 protected:
  Bytes file_of(const Events& events, bool interrupted = false) {
    const auto middle = events.begin() + static_cast<std::ptrdiff_t>(events.size() / 3);
    return aedat4_file({aedat4_packet(0, bytes_of("not looked at"), kRaw),
                        aedat4_packet(1, event_packet({events.begin(), middle}), GetParam()),
                        aedat4_packet(1, event_packet({}), GetParam()),
                        aedat4_packet(1, event_packet({middle, events.end()}), GetParam())},
                       GetParam(), interrupted);
  }
};
INSTANTIATE_TEST_SUITE_P(All, Aedat4Compression, ::testing::Values(kRaw, kLz4, kZstd));

TEST_P(Aedat4Compression, WhatIsWrittenIsRead) {
  // More than a piece of the decompressor holds.
  const Events events = testing::made_up_events(4, 5000, 64, 48, 1605507430438338, 100);
  for (const bool interrupted : {false, true}) {
    const Bytes file = file_of(events, interrupted);
    const Decoded decoded = decode(file);
    EXPECT_EQ(decoded.error, "");
    EXPECT_EQ(decoded.format, "AEDAT4");
    EXPECT_EQ(decoded.width, 64);
    EXPECT_EQ(decoded.height, 48);
    EXPECT_EQ(decoded.events, events);
    EXPECT_EQ(testing::decode_unevenly(file, {}).events, events);
  }
}

TEST_P(Aedat4Compression, CutsAndDamageAreSurvived) {
  const Bytes good = file_of(testing::made_up_events(5, 30, 64, 48, 0, 100));
  const auto reader = [](const std::string& path) { read_events(path, {"aedat4"}); };
  // The contents of the raw data table are not looked at.
  const auto table = good.size() - 16;
  testing::expect_truncations_refused(
      reader, good, [&](std::size_t length) { return GetParam() == kRaw && length > table; });
  testing::expect_mutations_survived(reader, good, 1000);
}

TEST_P(Aedat4Compression, SizesThatThePacketDoesNotJustifyAreRefused) {
  const Events events = {{1, 2, 3, 1}, {2, 3, 4, 0}};
  const Bytes good = event_packet(events);
  const auto refused = [&](Bytes contents) {
    testing::reset_largest_allocation();
    const Decoded decoded = decode(aedat4_file(
        {aedat4_packet(1, good, GetParam()), aedat4_packet(1, contents, GetParam())}, GetParam()));
    EXPECT_LT(testing::largest_allocation(), std::size_t{1} << 20);
    EXPECT_GE(decoded.events.size(), 2u) << "what was before the damage";
    return decoded.error != "";
  };
  EXPECT_FALSE(refused(good));
  const std::size_t count_place = 4 + 24, vector_place = 4 + 20, vtable_place = 4 + 16, root_place = 4;
  for (const std::size_t place : {std::size_t{0}, count_place, vector_place, vtable_place, root_place}) {
    for (const std::uint8_t value : {0x7f, 0xff}) {
      Bytes damaged = good;
      damaged[place + 3] = value;
      EXPECT_TRUE(refused(damaged)) << "place " << place;
    }
  }
  EXPECT_TRUE(refused(good + Bytes{0})) << "more contents than it says";
  EXPECT_TRUE(refused(Bytes(good.begin(), good.end() - 1)));
  EXPECT_TRUE(refused(bytes_of("short")));
  Bytes negative = good;
  negative[4 + 28 + 8 + 1] = 0x80;
  EXPECT_TRUE(refused(negative)) << "x below 0";
  Bytes outside = good;
  outside[4 + 28 + 8] = 64;
  EXPECT_TRUE(refused(outside)) << "x beyond the sensor";
}

TEST(Aedat4, ABombTakesNoMemory) {
  // 64 MiB of zeros behind two events, in a few KB.
  const Bytes contents = event_packet({{1, 2, 3, 1}, {2, 3, 4, 0}}) + Bytes(std::size_t{1} << 26, 0);
  for (const int compression : {kLz4, kZstd}) {
    const Bytes file = aedat4_file({aedat4_packet(1, contents, compression)}, compression);
    testing::reset_largest_allocation();
    const Decoded decoded = decode(file);
    EXPECT_NE(decoded.error, "");
    EXPECT_EQ(decoded.events.size(), 2u);
    EXPECT_LT(testing::largest_allocation(), std::size_t{1} << 20);
  }
}

TEST(Aedat4, PacketsOfNegativeSizeAndTablesInPacketsAreRefused) {
  const Events events = {{1, 2, 3, 1}};
  const Bytes packet = aedat4_packet(1, event_packet(events), kRaw);
  const Decoded negative = decode(aedat4_file({packet, little_endian({1, -1}, 4)}, kRaw));
  EXPECT_EQ(negative.events, events);
  EXPECT_NE(negative.error.find("-1 bytes"), std::string::npos) << negative.error;
  EXPECT_NE(decode(aedat4_file({packet, little_endian({-1, 0}, 4)}, kRaw)).error, "");
  Bytes inside = aedat4_file({packet}, kRaw);
  inside[18 + 28] = static_cast<std::uint8_t>(inside[18 + 28] - 1);
  EXPECT_NE(decode(inside).error, "");
}

TEST(Aedat4, TheCameraIsChosenByNameOrNumber) {
  const Events left{{1, 2, 3, 1}, {5, 4, 3, 0}}, right{{2, 60, 40, 0}};
  const auto file = [&](const std::string& left_name, const std::string& right_name) {
    return testing::aedat4_stereo_file(
        {aedat4_packet(1, event_packet(left), kRaw), aedat4_packet(0, bytes_of("a frame"), kRaw),
         aedat4_packet(2, event_packet(right), kRaw)},
        left_name, right_name);
  };
  const auto read = [](const Bytes& bytes, const std::string& camera) {
    EventReaderOptions options;
    options.camera = camera;
    return decode(bytes, options);
  };
  const Bytes named = file("DVX_1", "DVX_2"), unnamed = file("", ""), same = file("DVX", "DVX");
  EXPECT_EQ(read(named, "0").cameras, (std::vector<std::string>{"DVX_1", "DVX_2"}));
  const auto undecided = decode(named);
  EXPECT_TRUE(undecided.events.empty()) << "two cameras, and none was chosen";
  EXPECT_NE(undecided.error.find("0 (DVX_1), 1 (DVX_2)"), std::string::npos) << undecided.error;
  for (const char* camera : {"1", "DVX_2"}) EXPECT_EQ(read(named, camera).events, right) << camera;
  for (const char* camera : {"0", "DVX_1"}) EXPECT_EQ(read(named, camera).events, left) << camera;
  EXPECT_EQ(read(unnamed, "1").events, right);
  EXPECT_EQ(read(same, "1").events, right);
  for (const auto& [bytes, camera] :
       {std::pair{named, "2"}, {named, "DVX_3"}, {unnamed, "DVX_1"}, {same, "DVX"}}) {
    try {
      read(bytes, camera);
      FAIL() << camera;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(bytes == named ? "0 (DVX_1), 1 (DVX_2)" : "there are 0"),
                std::string::npos)
          << error.what();
    }
  }
  EXPECT_THROW(read(testing::encoded("evt3", 34, 34, {{0, 1, 1, 1}}), "1"), ConfigError) << "one camera";
  EXPECT_EQ(read(testing::encoded("evt3", 34, 34, {{0, 1, 1, 1}}), "0").events.size(), 1u);
}

TEST(Aedat4, StreamsAreFoundInTheXml) {
  const auto streams = parse_aedat4_streams(
      "<dv><node name=\"outInfo\"><node name=\"3\"><attr key=\"typeIdentifier\">EVTS</attr>"
      "<node name=\"info\"><attr key=\"sizeX\">640</attr><attr key=\"sizeY\">480</attr></node></node>"
      "<node name=\"x\"><attr key=\"typeIdentifier\">FRME</attr></node></node></dv>");
  ASSERT_EQ(streams.size(), 1u);
  EXPECT_EQ(streams[0].number, 3);
  EXPECT_EQ(streams[0].type, "EVTS");
  EXPECT_EQ(streams[0].width, 640);
  EXPECT_EQ(streams[0].height, 480);
  for (const char* damaged : {"", "<", "<node ", "<node name=\"outInfo\"><node name=\"99999999\">",
                              "</node></node>", "<node name=\"outInfo\"><node name=\"1"}) {
    EXPECT_TRUE(parse_aedat4_streams(damaged).empty()) << damaged;
  }
}

TEST(Aedat4, ReadsARecordingOfADvxplorer) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat4/tonic_sample.aedat4");
  const events::EventStream stream = read_events(path);
  EXPECT_EQ(stream.width, 320);
  EXPECT_EQ(stream.height, 240);
  ASSERT_EQ(stream.events.size(), 111954u);
  EXPECT_TRUE(std::is_sorted(stream.events.begin(), stream.events.end(),
                             [](const events::Event& a, const events::Event& b) { return a.t_us < b.t_us; }));
}

}  // namespace
}  // namespace spikeloom::formats
