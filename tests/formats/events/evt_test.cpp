// Prophesee EVT 2.0, 2.1 and 3.0.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "tests/formats/events/recordings.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;
using testing::words16;
using testing::words32;
using testing::operator+;

const char kEvt3[] = "% evt 3.0\n% geometry 100x50\n% end\n";
const char kEvt2[] = "% evt 2.0\n% geometry 100x50\n% end\n";
const char kEvt21[] = "% evt 2.1\n% geometry 100x50\n% end\n";

Bytes evt3(const std::vector<std::uint32_t>& words) { return bytes_of(kEvt3) + words16(words); }
Bytes evt2(const std::vector<std::uint32_t>& words) { return bytes_of(kEvt2) + words32(words); }

Bytes swapped(Bytes bytes, std::size_t size) {
  for (std::size_t at = 0; at + size <= bytes.size(); at += size) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
  return bytes;
}

TEST(Evt3, EveryWordTypeMeansWhatTheTableSays) {
  const Decoded decoded =
      decode(evt3({0x8001, 0x6002, 0x0007, 0x2805,  // time 1 << 12 | 2, row 7, on at 5
                   0x300a, 0x4805, 0x5081,          // off: 10, 12, 21 of the vector of 12, then 22 and 29
                   0xa001, 0xe123, 0x7001, 0xf002, 0x1fff, 0xdfff,  // skipped
                   0x6003, 0x0008, 0x3863, 0x4001,                  // row 8, on at 99
                   0x8002, 0x2000,             // a new high time starts the low one again
                   0x6004, 0x8002, 0x2001}));  // the same high time does not
  EXPECT_EQ(decoded.error, "");
  EXPECT_EQ(decoded.format, "EVT 3.0");
  EXPECT_EQ(decoded.width, 100);
  EXPECT_EQ(decoded.height, 50);
  EXPECT_EQ(decoded.events, (Events{{4098, 5, 7, 1},
                                    {4098, 10, 7, 0},
                                    {4098, 12, 7, 0},
                                    {4098, 21, 7, 0},
                                    {4098, 22, 7, 0},
                                    {4098, 29, 7, 0},
                                    {4099, 99, 8, 1},
                                    {8192, 0, 8, 0},
                                    {8196, 1, 8, 0}}));
}

TEST(Evt3, EventsBeforeTheFirstTimeAreDroppedButTheirStateIsKept) {
  EXPECT_EQ(decode(evt3({0x0003, 0x2805, 0x3808, 0x4fff, 0x6001, 0x8000, 0x4001})).events,
            (Events{{0, 20, 3, 1}}));
}

TEST(Evt3, TimeGoesOnWhenItWraps) {
  const Decoded decoded = decode(evt3({0x8fff, 0x6fff, 0x2001, 0x8000, 0x6001, 0x2001, 0x87ff, 0x2001, 0x8fff,
                                       0x2001, 0x8ffe, 0x2001, 0x8001, 0x2001}));
  constexpr std::int64_t kRange = 1 << 24;
  ASSERT_EQ(decoded.events.size(), 6u);
  EXPECT_EQ(decoded.events[0].t_us, kRange - 1);
  EXPECT_EQ(decoded.events[1].t_us, kRange + 1);
  EXPECT_EQ(decoded.events[2].t_us, kRange + (0x7ff << 12));
  EXPECT_EQ(decoded.events[3].t_us, kRange + (0xfff << 12));
  EXPECT_EQ(decoded.events[4].t_us, kRange + (0xffe << 12)) << "a small step back is one";
  EXPECT_EQ(decoded.events[5].t_us, 2 * kRange + (1 << 12));
}

TEST(Evt3, EventsOutsideTheSensorAreRefusedAtTheirWordAfterThoseBefore) {
  const std::vector<std::uint32_t> good = {0x8000, 0x6000, 0x2001};
  for (const std::vector<std::uint32_t>& bad :
       {std::vector<std::uint32_t>{0x2064}, {0x0032, 0x2000}, {0x3059, 0x4800}, {0x3063, 0x5002}}) {
    std::vector<std::uint32_t> words = good;
    words.insert(words.end(), bad.begin(), bad.end());
    const Decoded decoded = decode(evt3(words) + words16({0x2001}));
    EXPECT_EQ(decoded.events.size(), 1u);
    EXPECT_EQ(decoded.error_offset, static_cast<std::int64_t>(sizeof(kEvt3) - 1 + 2 * (words.size() - 1)));
  }
  // Where nothing says how large the sensor is, all that the words can hold is inside.
  const Decoded unknown = decode(bytes_of("% evt 3.0\n") + words16({0x8000, 0x07ff, 0x27ff}));
  EXPECT_EQ(unknown.error, "");
  EXPECT_EQ(unknown.width, 0);
  EXPECT_EQ(unknown.events, (Events{{0, 2047, 2047, 0}}));
}

TEST(Evt3, BigEndianIsReadWhereTheHeaderSaysIt) {
  const std::string header = "% evt 3.0\n% format EVT3;height=50;width=100;endianness=big\n% end\n";
  EXPECT_EQ(decode(bytes_of(header) + swapped(words16({0x8001, 0x6002, 0x0007, 0x2805}), 2)).events,
            (Events{{4098, 5, 7, 1}}));
}

TEST(Evt3, OfTwoCamerasOneIsChosen) {
  // Rows 7 and 9 of the master, 1807 = 0x800 | 7 and 0x800 | 8 of the slave; the base is shared.
  const Bytes both = evt3({0x8001, 0x6002, 0x0007, 0x2805, 0x0807, 0x2806, 0x300a, 0x4003, 0x0009, 0x4001,
                           0x6003, 0x0808, 0x2001, 0x5002});
  const Decoded asked = decode(both);
  EXPECT_TRUE(asked.events.empty());
  for (const char* part : {"two cameras", "0 (master)", "1 (slave)", "--camera", "data.camera"}) {
    EXPECT_NE(asked.error.find(part), std::string::npos) << asked.error;
  }
  EventReaderOptions options;
  options.drop_outside = true;
  EXPECT_NE(decode(both, options).error, "") << "another camera is no stray event";
  const Events master{{4098, 5, 7, 1}, {4098, 22, 9, 0}};
  const Events slave{{4098, 6, 7, 1}, {4098, 10, 7, 0}, {4098, 11, 7, 0}, {4099, 1, 8, 0}, {4099, 35, 8, 0}};
  for (const bool drop : {false, true}) {
    for (const auto& [name, events] :
         {std::pair{"0", master}, {"master", master}, {"1", slave}, {"slave", slave}}) {
      options.drop_outside = drop;
      options.camera = name;
      for (const Decoded& decoded :
           {decode(both, options), decode(both, options, 1), testing::decode_unevenly(both, options)}) {
        EXPECT_EQ(decoded.error, "");
        EXPECT_EQ(decoded.events, events) << name;
        EXPECT_EQ(decoded.dropped, 0);
      }
    }
  }
  options.camera = "2";
  EXPECT_THROW(decode(both, options), ConfigError);
}

TEST(Evt3, TheOnlyCameraMayBeTheSlave) {
  const Bytes only = evt3({0x8001, 0x6002, 0x0807, 0x2805, 0x0808, 0x2806});
  const Events expected{{4098, 5, 7, 1}, {4098, 6, 8, 1}};
  EXPECT_EQ(decode(only).events, expected);
  EventReaderOptions options;
  options.camera = "slave";
  EXPECT_EQ(decode(only, options).events, expected);
  options.camera = "master";
  EXPECT_THROW(decode(only, options), ConfigError) << "not an empty recording";
}

TEST(Evt3, ACameraThatComesLaterIsAskedForThere) {
  std::vector<std::uint32_t> words{0x8001, 0x6002, 0x0007};
  words.resize(40000, 0x2805);
  words.insert(words.end(), {0x0807, 0x4fff, 0x2806});
  const Bytes late = bytes_of(kEvt3) + words16(words);
  EventReaderOptions options;
  for (const bool drop : {false, true}) {
    options.drop_outside = drop;
    const Decoded decoded = decode(late, options);
    EXPECT_EQ(decoded.events.size(), 40000u - 3);
    EXPECT_NE(decoded.error.find("two cameras"), std::string::npos) << decoded.error;
    EXPECT_EQ(decoded.error_offset, static_cast<std::int64_t>(sizeof(kEvt3) - 1 + 2 * 40001));
  }
}

TEST(EvtHeader, LinesThatContradictEachOtherAreAnError) {
  const Bytes words = words16({0x8000, 0x6000, 0x2001, 0x6000});
  const auto expect_both = [&](const std::string& first, const std::string& second,
                               const std::string& remedy) {
    const Decoded decoded = decode(bytes_of(first + "\n" + second + "\n% end\n") + words);
    EXPECT_TRUE(decoded.events.empty());
    for (const std::string& part : {"'" + first + "'", "'" + second + "'", remedy}) {
      EXPECT_NE(decoded.error.find(part), std::string::npos) << part << " is not in: " << decoded.error;
    }
  };
  expect_both("% evt 2.0", "% format EVT3;height=720;width=1280", "--format");
  expect_both("% format EVT3;height=720;width=1280", "% evt 2.1", "data.format");
  expect_both("% format EVT3", "% format EVT2", "--format");
  const std::string encoding = "% evt 3.0\n";
  EXPECT_NE(
      decode(bytes_of(encoding + "% geometry 10x20\n% width 11\n") + words).error.find("'% geometry 10x20'"),
      std::string::npos);
  const Bytes sizes = bytes_of("% format EVT3;height=720;width=1280\n% geometry 640x480\n% end\n") + words;
  EXPECT_NE(decode(sizes).error.find("--sensor WxH, data.sensor"), std::string::npos) << decode(sizes).error;
  EXPECT_EQ(decode(sizes, {"auto", 640, 480}).events.size(), 1u);
  const Bytes encodings = bytes_of("% evt 2.0\n% format EVT3\n% end\n") + words;
  EXPECT_EQ(decode(encodings, {"evt3"}).events.size(), 1u);
  // The same twice is none, nor is the sensor of a plugin beside a size.
  EXPECT_EQ(decode(bytes_of("% evt 3.0\n% format EVT3;height=720;width=1280\n% geometry 1280x720\n"
                            "% plugin_name hal_plugin_gen31_fx3\n% end\n") +
                   words)
                .error,
            "");
  EXPECT_EQ(decode(bytes_of("% evt 3.0\n% plugin_name hal_plugin_gen310_fx3\n% end\n") + words).width, 0)
      << "another sensor than gen31 and gen3";
}

TEST(Evt2, EveryWordTypeMeansWhatTheTableSays) {
  const Decoded decoded = decode(evt2({0x10000000, 0x80000001, 0x1fc02807, 0xa0000001, 0xe0000000, 0xf1234567,
                                       0x0001f831, 0x8fffffff, 0x00000000, 0x80000000, 0x00000000}));
  EXPECT_EQ(decoded.error, "");
  EXPECT_EQ(decoded.format, "EVT 2.0");
  constexpr std::int64_t kRange = std::int64_t{1} << 34;
  EXPECT_EQ(decoded.events,
            (Events{{64 + 63, 5, 7, 1}, {64, 63, 49, 0}, {kRange - 64, 0, 0, 0}, {kRange, 0, 0, 0}}));
  EXPECT_EQ(decode(evt2({0x80000000, 0x00032000})).error_offset,
            static_cast<std::int64_t>(sizeof(kEvt2) + 3));
}

TEST(Evt2, BigEndianIsReadWhereTheHeaderSaysIt) {
  const std::string header = "% evt 2.0\n% format EVT2;height=50;width=100;endianness=big\n% end\n";
  EXPECT_EQ(decode(bytes_of(header) + swapped(words32({0x80000001, 0x1fc02807}), 4)).events,
            (Events{{64 + 63, 5, 7, 1}}));
}

TEST(Evt21, VectorsOf32AreReadInEveryByteOrder) {
  // High half with type, time, x, y; low half with the mask.
  const std::vector<std::uint32_t> high = {0x80000001, 0x1fc02807, 0xa0000000, 0x00022831};
  const std::vector<std::uint32_t> low = {0, 0x80000005, 7, 1};
  const Events expected{{127, 5, 7, 1}, {127, 7, 7, 1}, {127, 36, 7, 1}, {64, 69, 49, 0}};
  Bytes little, legacy, big;
  for (std::size_t i = 0; i < high.size(); ++i) {
    little = std::move(little) + words32({low[i], high[i]});
    legacy = std::move(legacy) + words32({high[i], low[i]});
    big = std::move(big) + swapped(words32({low[i], high[i]}), 8);
  }
  for (const auto& [bytes, order] : {std::pair{little, "little"}, {legacy, "legacy"}, {big, "big"}}) {
    SCOPED_TRACE(order);
    const std::string said =
        "% evt 2.1\n% format EVT21;endianness=" + std::string(order) + ";height=50;width=100\n% end\n";
    const Decoded decoded = decode(bytes_of(said) + bytes);
    EXPECT_EQ(decoded.format, "EVT 2.1");
    EXPECT_EQ(decoded.error, "");
    EXPECT_EQ(decoded.events, expected);
    EXPECT_EQ(decode(bytes_of(kEvt21) + bytes).events, expected) << "told from the words";
    EXPECT_EQ(decode(bytes_of(said) + bytes, {}, 1).events, expected) << "one at a time";
  }
  EXPECT_NE(decode(bytes_of(kEvt21) + words32({5, 0x1fc02807})).error.find("endianness"), std::string::npos)
      << "no time word shows the order";
  EXPECT_NE(decode(bytes_of(kEvt21) + words32({0, 0x80000001, 0, 0x80000002, 0x80000003, 0}))
                .error.find("endianness"),
            std::string::npos)
      << "two time words in one order, one in another: no more than a majority";
  EXPECT_EQ(decode(bytes_of(kEvt21)).error, "");
  const Decoded outside = decode(bytes_of(kEvt21) + words32({0, 0x80000000, 0x80000000, 0x00022800}));
  EXPECT_EQ(outside.events.size(), 0u);
  EXPECT_EQ(outside.error_offset, static_cast<std::int64_t>(sizeof(kEvt21) - 1 + 8));
}

TEST(EvtHeader, SizeAndFormatComeFromWhatIsSaid) {
  const Bytes words = words16({0x8000, 0x6000, 0x2001, 0x6000});
  struct Case {
    const char* header;
    const char* format;
    int width, height;
  };
  for (const Case& c :
       {Case{"% evt 3.0\n", "EVT 3.0", 0, 0},
        {"% format EVT3;height=320;width=300\n% end\n", "EVT 3.0", 300, 320},
        {"% evt 3.0\r\n% width 640\r\n% height 480\r\n", "EVT 3.0", 640, 480},
        {"% evt 3.0\n% plugin_name hal_plugin_gen31_fx3\n", "EVT 3.0", 640, 480},
        {"% evt 3.0\n% plugin_name hal_plugin_imx636_evk4\n", "EVT 3.0", 1280, 720},
        {"% evt 3.0\n% plugin_name hal_plugin_genx320_v4l2\n", "EVT 3.0", 320, 320},
        {"% evt 3.0\n% plugin_name hal_plugin_gen41_evk3\n% geometry 10x20\n", "EVT 3.0", 10, 20},
        {"% evt 2.0\n% geometry 10x20\n", "EVT 2.0", 10, 20},
        {"% format EVT2;width=10;height=20\n", "EVT 2.0", 10, 20},
        {"% integrator_name Prophesee\n% system_ID 48\n", "EVT 3.0", 0, 0}}) {
    const Decoded decoded = decode(bytes_of(c.header) + words);
    EXPECT_EQ(decoded.format, c.format) << c.header;
    EXPECT_EQ(decoded.width, c.width) << c.header;
    EXPECT_EQ(decoded.height, c.height) << c.header;
    EXPECT_EQ(decoded.error, "") << c.header;
  }
  EXPECT_EQ(decode(bytes_of("% system_ID 48\n") + words32({0x80000001, 0x1fc02807})).format, "EVT 2.0");
  const Bytes both = bytes_of("% system_ID 48\n") + words32({0x80000001, 0x00002007});
  EXPECT_NE(decode(both).error.find("--format"), std::string::npos) << "words of EVT 2.0 and of EVT 3.0";
  EXPECT_EQ(decode(both, {"evt2"}).events, (Events{{64, 4, 7, 0}}));
  const Decoded chosen = decode(words, {"evt3", 50, 60});
  EXPECT_EQ(chosen.width, 50);
  EXPECT_EQ(chosen.events.size(), 1u) << "no header at all, but the format is given";
}

TEST(EvtHeader, DataThatBeginsWithThePercentSignIsData) {
  // 0x2025 is "% ": behind the end mark, or without a line feed, no header line.
  EXPECT_EQ(decode(evt3({0x2025, 0x8000, 0x2025})).events.size(), 1u);
  EXPECT_EQ(decode(bytes_of("% evt 3.0\n") + words16({0x2025, 0x8000, 0x2025})).events.size(), 1u);
}

TEST(Evt3, LowTimeMayStepBackWithinTheSameHighTime) {
  const Bytes bytes = evt3({0x8001, 0x632b, 0x6320, 0x2001, 0x8001, 0x2002, 0x6fff, 0x8002, 0x6000, 0x2003});
  EXPECT_EQ(decode(bytes).events, (Events{{0x1320, 1, 0, 0}, {0x1320, 2, 0, 0}, {0x2000, 3, 0, 0}}));
  // What expelliarmus makes of it: every step back is 4096 us more, the true wrap too.
  EXPECT_EQ(decode(bytes, {"evt3-expelliarmus"}).events,
            (Events{{0x2320, 1, 0, 0}, {0x2320, 2, 0, 0}, {0x4000, 3, 0, 0}}));
}

/// The events of the .npy that lies beside the real recording, made by expelliarmus.
Events array_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const Bytes array{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  constexpr std::size_t kHeader = 192, kRecord = 16;  // t int64, x and y int16, p uint8, 3 bytes of padding
  Events result;
  for (std::size_t at = kHeader; at + kRecord <= array.size(); at += kRecord) {
    const auto number = [&](std::size_t from, int size) {
      std::uint64_t value = 0;
      for (int k = size; k-- > 0;) value = value << 8 | array[from + static_cast<std::size_t>(k)];
      return value;
    };
    result.push_back({static_cast<std::int64_t>(number(at, 8)), static_cast<std::uint16_t>(number(at + 8, 2)),
                      static_cast<std::uint16_t>(number(at + 10, 2)), array[at + 12]});
  }
  return result;
}

TEST(Evt3, TheRealRecordingEqualsItsArrayEventForEvent) {
  SPIKELOOM_REAL_FILE(raw, "SPIKELOOM_EVENT_FILES", "evt/evt3_sample.raw");
  SPIKELOOM_REAL_FILE(npy, "SPIKELOOM_EVENT_FILES", "evt/evt3_sample.npy");
  const Events array = array_of(npy);
  ASSERT_EQ(array.size(), 219596u);
  EXPECT_TRUE(read_events(raw, {"evt3-expelliarmus"}).events == array);
  // As Prophesee defines time, places and polarities are the same and times too until the low bits first step
  // back; from then on the array runs ahead, 4096 us more at each of eleven steps.
  const events::EventStream stream = read_events(raw);
  EXPECT_EQ(stream.width, 1280);
  EXPECT_EQ(stream.height, 720);
  ASSERT_EQ(stream.events.size(), array.size());
  std::int64_t ahead = 0, steps = 0;
  for (std::size_t i = 0; i < array.size(); ++i) {
    events::Event expected = array[i];
    if (expected.t_us - stream.events[i].t_us != ahead) {
      ahead += 4096;
      ++steps;
    }
    expected.t_us -= ahead;
    ASSERT_EQ(stream.events[i], expected) << i;
    ASSERT_TRUE(i >= 20121 || ahead == 0) << i;
  }
  EXPECT_EQ(steps, 11);
}

}  // namespace
}  // namespace spikeloom::formats
