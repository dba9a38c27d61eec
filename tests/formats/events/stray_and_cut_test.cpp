// EventReaderOptions::drop_outside and ::partial, in every format whose bytes a reader of its own decodes.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

using testing::aedat4_file;
using testing::aedat4_packet;
using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::decode_unevenly;
using testing::Decoded;
using testing::encoded;
using testing::Events;
using testing::kLz4;
using testing::kRaw;
using testing::kZstd;
using testing::operator+;

constexpr int kSide = 120;  // of what is made up

/// A recording as bytes, where its events begin, and bytes of an event or word (0: of another kind).
struct CutCase {
  std::string name;
  Bytes bytes;
  std::size_t header = 0, unit = 0;
};

Bytes es_bytes(const Events& events) {
  Bytes bytes = bytes_of("Event Stream") + Bytes{2, 0, 0, 1, kSide, 0, kSide, 0};
  std::int64_t before_us = 0;
  for (const events::Event& event : events) {
    std::int64_t step = event.t_us - before_us;
    before_us = event.t_us;
    for (; step >= 127; step -= 127) bytes.push_back(0xff);
    bytes = std::move(bytes) + Bytes{static_cast<std::uint8_t>(step << 1 | event.polarity),
                                     static_cast<std::uint8_t>(event.x), 0,
                                     static_cast<std::uint8_t>(event.y), 0};
  }
  return bytes;
}

Bytes evt2_bytes(const Events& events) {
  Bytes bytes = bytes_of("% evt 2.0\n% end\n");
  for (const events::Event& event : events) {
    const auto t = static_cast<std::uint32_t>(event.t_us);
    bytes = bytes +
            testing::words32({0x80000000u | t >> 6, std::uint32_t{event.polarity} << 28 | (t & 0x3f) << 22 |
                                                        std::uint32_t{event.x} << 11 | event.y});
  }
  return bytes;
}

Bytes evt21_bytes(const Events& events) {
  Bytes bytes = bytes_of("% evt 2.1\n% format EVT21;endianness=little\n% end\n");
  for (const events::Event& event : events) {
    const auto t = static_cast<std::uint32_t>(event.t_us);
    // Three neighbours at a time: some of them are outside where others are not.
    bytes = std::move(bytes) + testing::words32({0, 0x80000000u | t >> 6, 7,
                                                 std::uint32_t{event.polarity} << 28 | (t & 0x3f) << 22 |
                                                     std::uint32_t{event.x} << 11 | event.y});
  }
  return bytes;
}

std::vector<CutCase> cases(std::size_t count) {
  const Events events = testing::made_up_events(8, count, kSide, kSide, 1000, 300);
  const auto middle = events.begin() + static_cast<std::ptrdiff_t>(count / 2);
  const Events first(events.begin(), middle), second(middle, events.end());
  std::vector<CutCase> all = {{"evt3", encoded("evt3", kSide, kSide, events), 0, 2},
                              {"dat", encoded("dat", kSide, kSide, events), 0, 8},
                              {"aedat2", encoded("aedat2", kSide, kSide, events), 0, 8},
                              {"aedat2", encoded("aedat2", 240, 180, events), 0, 8},
                              {"atis-bin", encoded("atis-bin", kSide, kSide, events), 0, 5},
                              {"packed", encoded("packed", kSide, kSide, events), 0, 16},
                              {"evt2", evt2_bytes(events), 0, 4},
                              {"evt2.1", evt21_bytes(events), 0, 8},
                              {"es", es_bytes(events), 20, 0}};
  for (CutCase& one : all) {
    if (one.unit > 0 && one.name.rfind("evt2", 0) != 0) {
      const bool davis =
          one.name == "aedat2" && one.bytes.size() > encoded("aedat2", kSide, kSide, events).size();
      one.header = encoded(one.name, davis ? 240 : kSide, davis ? 180 : kSide, {}).size();
    } else if (one.unit > 0) {
      one.header = one.name == "evt2" ? evt2_bytes({}).size() : evt21_bytes({}).size();
    }
  }
  const Bytes aedat3 = testing::aedat3_header("#Source 1: Davis240C");
  all.push_back(
      {"aedat3", aedat3 + testing::aedat3_packet(first) + testing::aedat3_packet(second), aedat3.size(), 0});
  for (const int compression : {kRaw, kLz4, kZstd}) {
    const auto file = [&](const std::vector<Bytes>& packets) {
      return aedat4_file(packets, compression, true, kSide, kSide);
    };
    all.push_back({"aedat4",
                   file({aedat4_packet(1, testing::event_packet(first), compression),
                         aedat4_packet(0, bytes_of("other"), kRaw),
                         aedat4_packet(1, testing::event_packet(second), compression)}),
                   file({}).size(), 0});
  }
  return all;
}

TEST(DropOutside, WhatIsInsideStaysAsItIsAndTheRestIsCounted) {
  for (const CutCase& one : cases(3000)) {
    SCOPED_TRACE(one.name);
    EventReaderOptions options{one.name};
    const Decoded all = decode(one.bytes, options);
    ASSERT_EQ(all.error, "");
    ASSERT_GE(all.events.size(), 3000u);
    EXPECT_EQ(all.dropped, 0);
    options.width = 100;
    options.height = 90;
    EXPECT_NE(decode(one.bytes, options).error.find("--drop-outside"), std::string::npos);
    options.drop_outside = true;
    Events inside;
    std::copy_if(all.events.begin(), all.events.end(), std::back_inserter(inside),
                 [](const events::Event& event) { return event.x < 100 && event.y < 90; });
    ASSERT_LT(inside.size(), all.events.size());
    for (const Decoded& some :
         {decode(one.bytes, options), decode(one.bytes, options, 1), decode_unevenly(one.bytes, options)}) {
      EXPECT_EQ(some.error, "");
      EXPECT_TRUE(some.events == inside);
      EXPECT_EQ(some.dropped, static_cast<std::int64_t>(all.events.size() - inside.size()));
    }
  }
}

TEST(Partial, EveryWholeEventOfEveryCutIsRead) {
  for (const CutCase& one : cases(24)) {
    SCOPED_TRACE(one.name);
    EventReaderOptions options{one.name};
    const Events all = decode(one.bytes, options).events;
    for (std::size_t length = std::max<std::size_t>(one.header, 1); length <= one.bytes.size(); ++length) {
      const Bytes cut(one.bytes.begin(), one.bytes.begin() + static_cast<std::ptrdiff_t>(length));
      options.partial = false;
      const Decoded refused = decode(cut, options);
      options.partial = true;
      const Decoded read = decode(cut, options);
      ASSERT_EQ(read.error, "") << length;
      ASSERT_TRUE(read.events == refused.events) << length << ": what was read before the end is read now";
      ASSERT_TRUE(std::equal(read.events.begin(), read.events.end(), all.begin())) << length;
      ASSERT_EQ(decode_unevenly(cut, options).unread, read.unread) << length;
      // A packet may be cut between two events: an error without --partial, no byte left with it.
      ASSERT_TRUE(read.unread == 0 || !refused.error.empty()) << length;
      if (!refused.error.empty()) {
        ASSERT_NE(refused.error.find("--partial"), std::string::npos) << refused.error;
      }
      if (one.unit > 0) {
        ASSERT_EQ(read.unread, static_cast<std::int64_t>((length - one.header) % one.unit)) << length;
      }
      ASSERT_LE(read.unread, static_cast<std::int64_t>(length)) << length;
    }
    EXPECT_EQ(decode(one.bytes, options).events, all);
  }
}

TEST(Partial, ACutWithinACompressedPacketGivesWhatIsThere) {
  const Events events = testing::made_up_events(9, 12000, 64, 48, 0, 100);
  for (const int compression : {kRaw, kLz4, kZstd}) {
    const Bytes whole =
        aedat4_file({aedat4_packet(1, testing::event_packet(events), compression)}, compression);
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() * 3 / 4));
    EventReaderOptions options;
    options.partial = true;
    const Decoded decoded = decode(cut, options);
    EXPECT_EQ(decoded.error, "");
    ASSERT_LT(decoded.events.size(), events.size());
    EXPECT_GT(decoded.events.size(), events.size() / 4) << compression;
    EXPECT_TRUE(std::equal(decoded.events.begin(), decoded.events.end(), events.begin()));
  }
}

TEST(Partial, DamageIsStillAnError) {
  EventReaderOptions options{"aedat3"};
  options.partial = true;
  Bytes damaged = testing::aedat3_header() + testing::aedat3_packet({{1, 2, 3, 1}});
  damaged[testing::aedat3_header().size() + 4] = 9;
  EXPECT_NE(decode(damaged, options).error, "");
  options.format = "es";
  EXPECT_NE(decode(es_bytes({{1, 200, 3, 1}}), options).error, "") << "outside of the sensor";
}

TEST(Partial, ACutAtisFileIsStillKnownByItsContent) {
  Bytes bytes = encoded("atis-bin", 34, 34, testing::made_up_events(1, 50, 34, 34, 0, 100));
  bytes.pop_back();
  for (const char* part : {"ATIS bin", "--partial"}) {
    EXPECT_NE(decode(bytes).error.find(part), std::string::npos) << decode(bytes).error;
  }
  EventReaderOptions options;
  options.partial = true;
  const Decoded decoded = decode(bytes, options);
  EXPECT_EQ(decoded.events.size(), 49u);
  EXPECT_EQ(decoded.unread, 4);
}

}  // namespace
}  // namespace spikeloom::formats
