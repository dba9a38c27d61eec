// decode(encode(x)) = x, reading in pieces = reading whole, and damaged files of every format that is
// written.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "spikeloom/formats/events/write_events.h"
#include "spikeloom/formats/events/writing/event_encoder.h"
#include "tests/formats/events/recordings.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::decode;
using testing::decode_unevenly;
using testing::Decoded;
using testing::encoded;
using testing::Events;
using testing::made_up_events;

struct Written {
  const char* format;
  std::uint32_t longest_pause_us;  // that the format can hold
  bool small_steps_back;
};
// Formats with a reader in this folder's table; npy and csv are tested with their readers.
const Written kWritten[] = {{"evt3", 0x7fffffffu, true},
                            {"dat", 0x7fffffffu, true},
                            {"aedat2", 0x7fffffffu, true},
                            {"atis-bin", (1u << 22) - 1, false},
                            {"packed", 0x7fffffffu, true}};

struct Size {
  int width, height;
};

/// The sensor that is read back: AEDAT 2.0 knows some only.
Size read_size(const std::string& format, Size size) {
  if (format != "aedat2") return size;
  for (const Size& known : {Size{128, 128}, {240, 180}, {346, 260}}) {
    if (size.width <= known.width && size.height <= known.height) return known;
  }
  return {640, 480};
}

RC_GTEST_PROP(RoundTrip, WhatWasWrittenIsRead, ()) {
  const Written& written = kWritten[*rc::gen::inRange<std::size_t>(0, std::size(kWritten))];
  const bool small = written.format == std::string("atis-bin");
  const Size size{*rc::gen::inRange(1, small ? 257 : 641), *rc::gen::inRange(1, small ? 241 : 481)};
  const auto seed = *rc::gen::arbitrary<std::uint32_t>();
  const auto count = *rc::gen::inRange<std::size_t>(1, 400);
  const auto pause = *rc::gen::element<std::uint32_t>(0, 50, 5000, 70000, written.longest_pause_us);
  const std::int64_t first = *rc::gen::inRange<std::int64_t>(0, small ? 1 << 23 : std::int64_t{1} << 31);
  Events events = made_up_events(seed, count, size.width, size.height, first, pause);
  // The first event lies in the range of every clock (AEDAT 2.0's is signed): later ones go on over its
  // wraps, one that begins beyond it loses a multiple of it (docs/formats.md).
  const std::int64_t late = events.front().t_us - first;
  for (events::Event& event : events) event.t_us -= late;
  if (written.small_steps_back && *rc::gen::arbitrary<bool>()) {
    for (std::size_t i = 1; i < events.size(); i += 7) {
      // Not over a wrap of EVT 3.0's clock, which is what it cannot hold.
      if ((events[i].t_us & 0xffffff) > 100) events[i].t_us -= 40;
    }
  }
  const Bytes bytes = encoded(written.format, size.width, size.height, events);
  const EventReaderOptions options{written.format, small ? size.width : 0, small ? size.height : 0};
  const Decoded decoded = decode(bytes, options);
  RC_ASSERT(decoded.error == "");
  RC_ASSERT(decoded.events == events);
  RC_ASSERT(decoded.width == read_size(written.format, size).width);
  RC_ASSERT(decoded.height == read_size(written.format, size).height);
  RC_ASSERT(decode_unevenly(bytes, options).events == events);
  RC_ASSERT(decode(bytes, options, 1).events == events);
}

RC_GTEST_PROP(RoundTrip, PiecesMakeTheSameRecordingAsTheWhole, ()) {
  const Written& written = kWritten[*rc::gen::inRange<std::size_t>(0, std::size(kWritten))];
  const auto cut = *rc::gen::inRange<std::size_t>(0, 300);
  const Events events = made_up_events(*rc::gen::arbitrary<std::uint32_t>(), 300, 34, 34, 1000, 60000);
  const auto encoder = make_event_encoder(written.format, 34, 34);
  Bytes bytes = encoder->header(300);
  encoder->encode(events.data(), cut, bytes);
  encoder->encode(events.data() + cut, events.size() - cut, bytes);
  RC_ASSERT(decode(bytes, {written.format}).events == events);
}

TEST(RoundTrip, EveryCutOfAFileGivesTheEventsBeforeIt) {
  for (const Written& written : kWritten) {
    SCOPED_TRACE(written.format);
    const Events events = made_up_events(5, 60, 34, 34, 100, 9000);
    const Bytes whole = encoded(written.format, 34, 34, events);
    const std::size_t header = make_event_encoder(written.format, 34, 34)->header(60).size();
    std::size_t refused = 0;
    for (std::size_t length = header; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      const Decoded decoded = decode(cut, {written.format, 128, 128});
      ASSERT_LE(decoded.events.size(), events.size());
      EXPECT_TRUE(std::equal(decoded.events.begin(), decoded.events.end(), events.begin())) << length;
      refused += !decoded.error.empty();
      EXPECT_LE(decoded.error_offset, static_cast<std::int64_t>(length));
    }
    EXPECT_GE(refused, (whole.size() - header) / 2) << "cuts within a word or record are noticed";
  }
}

TEST(RoundTrip, DamagedFilesAreSurvived) {
  for (const Written& written : kWritten) {
    SCOPED_TRACE(written.format);
    const Bytes good = encoded(written.format, 128, 128, made_up_events(6, 200, 128, 128, 0, 30000));
    const testing::Reader reader = [&](const std::string& path) {
      const events::EventStream stream = read_events(path, {written.format});
      for (const events::Event& event : stream.events) {
        ASSERT_TRUE(event.x < stream.width && event.y < stream.height && event.polarity < 2);
      }
    };
    testing::expect_mutations_survived(reader, good, 2000);
    testing::expect_mutations_survived([](const std::string& path) { read_events(path); }, good, 500);
  }
}

TEST(WriteEvents, AFileIsWrittenWholeOrNotAtAll) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/recording.raw";
  const events::EventStream good{34, 34, made_up_events(7, 100000, 34, 34, 0, 100)};
  write_events(path, "evt3", good);
  EXPECT_EQ(read_events(path).events, good.events);
  EXPECT_EQ(read_events(path).width, 34);
  const events::EventStream bad{34, 34, {{0, 1, 1, 1}, {0, 34, 1, 1}}};
  EXPECT_THROW(write_events(path, "evt3", bad), DataError);
  EXPECT_EQ(read_events(path).events, good.events) << "the old file is as it was";
  EXPECT_THROW(write_events(folder.path() + "/absent/file.raw", "evt3", good), DataError);
  EXPECT_THROW(write_events(path, "evt2.1", good), ConfigError);
}

TEST(WriteEvents, WhatAFormatCannotHoldIsRefused) {
  const auto refuses = [](const std::string& format, int width, int height, const Events& events) {
    EXPECT_THROW(encoded(format, width, height, events), DataError) << format;
  };
  for (const char* format : {"evt3", "dat", "aedat2", "atis-bin", "npy", "csv", "packed"}) {
    refuses(format, 34, 34, {{0, 34, 0, 0}});
    refuses(format, 34, 34, {{0, 0, 34, 0}});
    refuses(format, 34, 34, {{0, 0, 0, 2}});
  }
  refuses("evt3", 2049, 10, {});
  refuses("dat", 10, 16385, {});
  refuses("aedat2", 641, 10, {});
  refuses("aedat2", 0, 0, {});
  refuses("atis-bin", 257, 10, {});
  refuses("atis-bin", 0, 241, {});
  refuses("atis-bin", 34, 34, {{0, 1, 1, 0}, {1 << 22, 1, 1, 0}});
  refuses("atis-bin", 34, 34, {{1 << 23, 1, 1, 0}, {(1 << 23) - 1, 1, 1, 0}});
  refuses("dat", 34, 34, {{0, 1, 1, 0}, {std::int64_t{1} << 31, 1, 1, 0}});
  refuses("aedat2", 34, 34, {{0, 1, 1, 0}, {-(std::int64_t{1} << 31) - 1, 1, 1, 0}});
  refuses("evt3", 34, 34, {{1 << 24, 1, 1, 0}, {(1 << 24) - 1, 1, 1, 0}});
  refuses("evt3", 34, 34, {{0, 1, 1, 0}, {(std::int64_t{1} << 40) + 1, 1, 1, 0}});
  refuses("evt3", 34, 34, {{0, 1, 1, 0}, {INT64_MAX, 1, 1, 0}, {INT64_MIN, 1, 1, 0}});
}

TEST(WriteEvents, TimesSinceAnEpochLoseAMultipleOfTheClock) {
  constexpr std::int64_t kEpoch = 1600000000000000;
  const Events events{{kEpoch, 1, 1, 0}, {kEpoch + 5000000, 2, 2, 1}};
  for (const char* format : {"evt3", "dat"}) {
    const Decoded decoded = decode(encoded(format, 34, 34, events), {format});
    ASSERT_EQ(decoded.events.size(), 2u);
    EXPECT_EQ((kEpoch - decoded.events[0].t_us) % (std::int64_t{1} << 32), 0) << format;
    EXPECT_EQ(decoded.events[1].t_us - decoded.events[0].t_us, 5000000) << format;
  }
}

TEST(WriteEvents, ArraysAreWhatNumPyAndSpreadsheetsLoad) {
  const Events events{{-1, 2, 3, 1}, {258, 4, 5, 0}};
  const Bytes npy = encoded("npy", 0, 0, events);
  ASSERT_EQ(npy.size(), 192u + 2 * 13);
  const std::string header(npy.begin() + 10, npy.begin() + 192);
  EXPECT_EQ(header.rfind(
                "{'descr': [('t', '<i8'), ('x', '<u2'), ('y', '<u2'), ('p', '|u1')], 'fortran_order': False, "
                "'shape': (2,), }",
                0),
            0u)
      << header;
  EXPECT_EQ(header.back(), '\n');
  EXPECT_EQ(Bytes(npy.begin() + 205, npy.end()), (Bytes{2, 1, 0, 0, 0, 0, 0, 0, 4, 0, 5, 0, 0}));
  const Bytes csv = encoded("csv", 0, 0, events);
  EXPECT_EQ(std::string(csv.begin(), csv.end()), "t,x,y,p\n-1,2,3,1\n258,4,5,0\n");
  // The number of events is known at the end only: the header is written again.
  const testing::TemporaryFolder folder;
  write_events(folder.path() + "/a.npy", "npy", {0, 0, events});
  EXPECT_EQ(read_file(folder.path() + "/a.npy"), npy);
}

TEST(WriteEvents, SuffixesMeanFormats) {
  EXPECT_EQ(event_format_of_suffix("a/b.raw"), "evt3");
  EXPECT_EQ(event_format_of_suffix("b.dat"), "dat");
  EXPECT_EQ(event_format_of_suffix("b.aedat"), "aedat2");
  EXPECT_EQ(event_format_of_suffix("b.bin"), "atis-bin");
  EXPECT_EQ(event_format_of_suffix("b.npy"), "npy");
  EXPECT_EQ(event_format_of_suffix("b.csv"), "csv");
  EXPECT_EQ(event_format_of_suffix("b.aedat4"), "");
  EXPECT_EQ(event_format_of_suffix(".raw"), "");
}

}  // namespace
}  // namespace spikeloom::formats
