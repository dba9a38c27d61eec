// The packed form in pipes and datagrams: each byte of it, cuts, damage, pieces of any size.
#include "spikeloom/stream/sources/packed_events.h"

#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"
#include "tests/stream/small_network.h"

namespace spikeloom::stream {
namespace {

using events::Event;
using Bytes = std::vector<std::uint8_t>;

bool same(const std::vector<Event>& a, const std::vector<Event>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const Event& x, const Event& y) {
           return x.t_us == y.t_us && x.x == y.x && x.y == y.y && x.polarity == y.polarity;
         });
}

Bytes stream_of(const std::vector<Event>& list) {
  Bytes bytes;
  append_packed_header({346, 260}, bytes);
  append_packed(list, bytes);
  return bytes;
}

TEST(PackedEvents, AreTheBytesOfTheTable) {
  const Bytes bytes = stream_of({{-2, 0x1234, 0xabcd, 1}});
  const Bytes expected{'S',  'P',  'K',  'E',  'V',  'T',  '1',  '\n', 0x5a, 0x01, 0x04, 0x01, 0, 0, 0, 0,
                       0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x34, 0x12, 0xcd, 0xab, 1, 0, 0, 0};
  EXPECT_EQ(bytes, expected);
}

TEST(PackedEvents, ComeBackWhateverThePieces) {
  auto list = testing::random_events(-50, 10, 7, 1);
  list.push_back({INT64_MIN, 65535, 65535, 1});
  const Bytes bytes = stream_of(list);
  for (const std::size_t piece : {1u, 7u, 15u, 16u, 17u, 1000000u}) {
    PackedDecoder decoder("pipe");
    std::vector<Event> decoded;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      decoder.feed({bytes.data() + at, std::min(piece, bytes.size() - at)}, decoded);
    }
    decoder.finish(decoded);
    EXPECT_TRUE(same(decoded, list)) << piece;
    EXPECT_EQ(decoder.sensor()->width, 346);
    EXPECT_EQ(decoder.sensor()->height, 260);
  }
}

TEST(PackedEvents, ACutIsAnErrorAfterTheEventsBefore) {
  const auto list = testing::random_events(0, 2, 2, 1);
  const Bytes bytes = stream_of(list);
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    PackedDecoder decoder("pipe");
    std::vector<Event> decoded;
    decoder.feed({bytes.data(), size}, decoded);
    EXPECT_EQ(decoded.size(), size < 16 ? 0 : size / 16 - 1);
    if (size % 16 == 0) {
      EXPECT_NO_THROW(decoder.finish(decoded));
    } else {
      EXPECT_THROW(decoder.finish(decoded), FormatError) << size;
    }
  }
}

TEST(PackedEvents, DamageIsNamedByItsPlace) {
  const auto list = testing::random_events(0, 2, 2, 1);
  for (const std::size_t at : {0u, 7u, 12u, 15u, 16u + 16u + 12u, 16u + 16u + 13u, 16u + 16u + 15u}) {
    Bytes bytes = stream_of(list);
    bytes[at] ^= 0x42;
    PackedDecoder decoder("pipe");
    std::vector<Event> decoded;
    try {
      decoder.feed({bytes.data(), bytes.size()}, decoded);
      ADD_FAILURE() << at;
    } catch (const FormatError& error) {
      EXPECT_EQ(error.file(), "pipe");
      EXPECT_EQ(error.byte_offset(), at < 8 ? 0 : at < 16 ? 12 : 32);
    }
    EXPECT_EQ(decoded.size(), at < 16 ? 0u : 1u);
  }
}

TEST(PackedEvents, DatagramsAreWholeOrNothing) {
  const auto list = testing::random_events(0, 3, 4, 9);
  const Bytes bytes = packed_datagram(0x0102030405060708, list);
  ASSERT_EQ(bytes.size(), 16 + 16 * list.size());
  EXPECT_EQ(
      Bytes(bytes.begin(), bytes.begin() + 16),
      (Bytes{'S', 'P', 'K', 'U', 1, 0, static_cast<std::uint8_t>(list.size()), 0, 8, 7, 6, 5, 4, 3, 2, 1}));
  Datagram datagram;
  ASSERT_TRUE(decode_datagram({bytes.data(), bytes.size()}, datagram));
  EXPECT_EQ(datagram.number, 0x0102030405060708u);
  EXPECT_TRUE(same(datagram.events, list));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_datagram({bytes.data(), size}, datagram)) << size;
  }
  for (const std::size_t at : {0u, 3u, 4u, 5u, 6u, 7u, 16u + 12u, 16u + 13u, 16u + 31u}) {
    Bytes damaged = bytes;
    damaged[at] ^= 0x40;
    EXPECT_FALSE(decode_datagram({damaged.data(), damaged.size()}, datagram)) << at;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_datagram({longer.data(), longer.size()}, datagram));
}

}  // namespace
}  // namespace spikeloom::stream
