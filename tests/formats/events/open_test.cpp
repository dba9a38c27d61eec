#include <gtest/gtest.h>

#include <algorithm>

#include "spikeloom/formats/events/event_format.h"
#include "tests/formats/events/recordings.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::encoded;
using testing::Events;
using testing::operator+;

TEST(OpenEvents, EveryFormatHasItsOwnNameAndKey) {
  std::vector<std::string> names = event_format_names();
  EXPECT_NE(std::find(names.begin(), names.end(), "evt3"), names.end());
  ASSERT_EQ(names.size(), event_formats().size());
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(names[i], event_formats()[i].key);
  for (const EventFormat& format : event_formats()) {
    names.emplace_back(format.name);
    EXPECT_EQ(find_event_format(format.key), &format);
    EXPECT_EQ(find_event_format(format.name), &format);
  }
  std::sort(names.begin(), names.end());
  // A key may equal its own name ("npy"), no other's.
  for (const EventFormat& format : event_formats()) {
    const auto expected = std::string(format.key) == format.name ? 2 : 1;
    EXPECT_EQ(std::count(names.begin(), names.end(), format.key), expected) << format.key;
  }
}

TEST(OpenEvents, UnknownFormatsAndSizesAreUsageErrors) {
  const Bytes bytes = encoded("evt3", 10, 10, {{0, 1, 1, 1}});
  EXPECT_THROW(decode(bytes, {"evt4"}), ConfigError);
  EXPECT_THROW(decode(bytes, {""}), ConfigError);
  EXPECT_THROW(decode(bytes, {"auto", -1, 0}), ConfigError);
  EXPECT_EQ(decode(bytes, {"EVT 3.0"}).events.size(), 1u) << "names are taken too";
}

TEST(OpenEvents, NamesPlayNoPart) {
  const testing::TemporaryFolder folder;
  const Events events = testing::made_up_events(1, 100, 34, 34, 0, 1000);
  for (const char* format : {"evt3", "dat", "aedat2", "atis-bin"}) {
    const std::string path = folder.write(encoded(format, 34, 34, events), "recording.txt");
    EXPECT_EQ(open_events(path)->format(), std::string(find_event_format(format)->name));
    EXPECT_EQ(read_events(path).events, events) << format;
  }
}

TEST(OpenEvents, TheSensorThatAFileSaysIsAskedForWhateverTheOptionsSay) {
  const testing::TemporaryFolder folder;
  const auto stated = [&](const Bytes& bytes) {
    return stated_sensor(folder.write(bytes), {"auto", 34, 34});
  };
  const Events events = {{0, 1, 1, 1}, {5, 2, 2, 0}};
  EXPECT_EQ(stated(encoded("evt3", 640, 480, events)), (events::SensorSize{640, 480}));
  EXPECT_EQ(stated(bytes_of("# geometry: 24,20\nt,x,y,p\n1,2,3,1\n")), (events::SensorSize{24, 20}));
  EXPECT_EQ(stated(encoded("atis-bin", 34, 34, events)), (events::SensorSize{0, 0}));
  EXPECT_EQ(stated(bytes_of("no recording")), (events::SensorSize{0, 0}));  // opening it says why
  const Bytes two = bytes_of("% evt 3.0\n% geometry 640x480\n% format EVT3;height=720;width=1280\n% end\n");
  EXPECT_THROW(stated(two), FormatError);
  EXPECT_THROW(stated_sensor(folder.path() + "/none", {}), DataError);
}

TEST(OpenEvents, WhatIsNoRecordingIsRefused) {
  const testing::TemporaryFolder folder;
  for (const Bytes& bytes :
       {Bytes{}, Bytes{0}, bytes_of("hello"), Bytes(4000, 0), bytes_of("% a comment\n")}) {
    const Decoded decoded = decode(bytes);
    EXPECT_NE(decoded.error, "");
    EXPECT_THROW(read_events(folder.write(bytes)), FormatError);
  }
  testing::expect_missing_refused([](const std::string& path) { open_events(path); });
}

TEST(OpenEvents, TheSizeOfAnAtisSensorIsNotGuessed) {
  const auto size_of = [](int x, int y, const EventReaderOptions& options = {}) {
    Events events = testing::made_up_events(2, 50, 20, 20, 0, 100);
    events.push_back({events.back().t_us, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y), 0});
    const Decoded decoded = decode(encoded("atis-bin", 0, 0, events), options);
    return std::make_pair(decoded.width, decoded.height);
  };
  EXPECT_EQ(size_of(33, 33), std::make_pair(0, 0));
  EXPECT_EQ(size_of(255, 239), std::make_pair(0, 0));
  EXPECT_EQ(size_of(10, 10, {"auto", 304, 240}), std::make_pair(304, 240));
}

TEST(OpenEvents, ASizeThatIsNotSaidIsThatOfTheEvents) {
  const testing::TemporaryFolder folder;
  const events::EventStream stream =
      read_events(folder.write(encoded("dat", 0, 0, {{0, 7, 1, 0}, {1, 2, 3, 0}})));
  EXPECT_EQ(stream.width, 8);
  EXPECT_EQ(stream.height, 4);
}

TEST(OpenEvents, MemoryStaysFlat) {
  const testing::TemporaryFolder folder;
  const Events events = testing::made_up_events(3, 2000000, 128, 128, 0, 10);
  for (const char* format : {"evt3", "dat", "aedat2", "atis-bin"}) {
    const std::string path = folder.write(encoded(format, 128, 128, events));
    testing::reset_largest_allocation();
    const auto reader = open_events(path, {"auto", 128, 128});
    std::vector<events::Event> piece(1000);
    std::size_t total = 0, count = 0;
    while ((count = reader->read(piece.data(), piece.size())) > 0) total += count;
    EXPECT_EQ(total, events.size());
    EXPECT_LE(testing::largest_allocation(), std::size_t{1} << 19) << format;
  }
}

TEST(OpenEvents, EveryRealRecordingReads) {
  struct File {
    const char* name;
    std::size_t events;
  };
  for (const File& file : {File{"aedat2/jAERdata.aedat", 320},
                           {"aedat2/mnist_0_scale04_0001.aedat", 15744},
                           {"aedat2/mnist_0_scale16_0001_qt1.aedat", 11209},
                           {"atis/sample_nmnist.bin", 4325},
                           {"dat/sample_ncars.dat", 2009},
                           {"evt/evt3_sample.raw", 219596}}) {
    SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", file.name);
    const events::EventStream stream = read_events(path);
    EXPECT_EQ(stream.events.size(), file.events) << file.name;
    EXPECT_TRUE(std::is_sorted(stream.events.begin(), stream.events.end(), [](const auto& a, const auto& b) {
      return a.t_us < b.t_us;
    })) << file.name;
    for (const events::Event& event : stream.events) {
      ASSERT_TRUE(event.x < stream.width && event.y < stream.height && event.polarity < 2) << file.name;
    }
  }
}

}  // namespace
}  // namespace spikeloom::formats
