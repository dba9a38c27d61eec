#include "spikeloom/formats/events/aedat/aedat2.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::operator+;

const testing::Reader kReader = [](const std::string& path) { read_aedat2(path); };
const char kHeader[] = "#!AER-DAT2.0\r\n# This is a raw AE data file\r\n# created Tue Apr 29\r\n";

Bytes record(std::uint32_t address, std::int64_t timestamp) {
  Bytes bytes;
  for (const std::uint32_t word : {address, static_cast<std::uint32_t>(timestamp)}) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
  }
  return bytes;
}

Bytes small_recording() {
  return bytes_of(kHeader) + record(0x4390, 0) + record(0x3b85, 85) + record(0x0000, 140);
}

std::vector<std::int64_t> times(const events::EventStream& stream) {
  std::vector<std::int64_t> result;
  for (const events::Event& event : stream.events) result.push_back(event.t_us);
  return result;
}

TEST(Aedat2, ReadsTheByteTable) {
  const testing::TemporaryFolder folder;
  const events::EventStream stream = read_aedat2(folder.write(small_recording()));
  EXPECT_EQ(stream.width, 128);
  EXPECT_EQ(stream.height, 128);
  ASSERT_EQ(stream.events.size(), 3u);
  EXPECT_EQ(stream.events[0].x, 127 - 0x90 / 2);
  EXPECT_EQ(stream.events[0].y, 0x43);
  EXPECT_EQ(stream.events[0].polarity, 1) << "bit 0 clear is on";
  EXPECT_EQ(stream.events[0].t_us, 0);
  EXPECT_EQ(stream.events[1].x, 127 - 0x85 / 2);
  EXPECT_EQ(stream.events[1].y, 0x3b);
  EXPECT_EQ(stream.events[1].polarity, 0);
  EXPECT_EQ(stream.events[1].t_us, 85);
  EXPECT_EQ(stream.events[2].x, 127);
  EXPECT_EQ(stream.events[2].y, 0);
}

TEST(Aedat2, SpecialEventsAreSkipped) {
  const testing::TemporaryFolder folder;
  const Bytes bytes = bytes_of(kHeader) + record(0x8000, 1) + record(0x0001, 2) + record(0xff12, 3) +
                      record(0x80000000u, 4) + record(0xf2345678u, 5) + record(0x7fff, 6);
  EXPECT_EQ(times(read_aedat2(folder.write(bytes))), (std::vector<std::int64_t>{2, 6}));
}

TEST(Aedat2, TimestampsThatWrapGoOn) {
  const testing::TemporaryFolder folder;
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  const Bytes bytes = bytes_of(kHeader) + record(0, kMax - 1) + record(0, -kMax - 1) + record(0, -5) +
                      record(0, 20) + record(0, 10) + record(0, kMax) + record(0x8000, -kMax - 1) +
                      record(0, -kMax);
  EXPECT_EQ(times(read_aedat2(folder.write(bytes))),
            (std::vector<std::int64_t>{kMax - 1, kMax + 1, 2 * kMax - 3, 2 * kMax + 22, 2 * kMax + 12,
                                       3 * kMax + 2, 3 * kMax + 4}));
}

TEST(Aedat2, TheHeaderMayEndWithLfOrAMarkOrAtOnce) {
  const testing::TemporaryFolder folder;
  const Bytes data = record(0x0102, 7);
  for (const char* header :
       {"#!AER-DAT2.0\n", "#!AER-DAT2.0\r\n", "#!AER-DAT2.0\r\n#\r\n# tab\there\r\n",
        "#!AER-DAT2.0\n#End Of ASCII Header\n", "#!AER-DAT2.0\r\n# a\r\n#End Of ASCII Header\r\n",
        "#!AER-DAT2.0\r\n# Zürich \xfc\r\n"}) {
    EXPECT_EQ(times(read_aedat2(folder.write(bytes_of(header) + data))), (std::vector<std::int64_t>{7}))
        << header;
  }
}

TEST(Aedat2, DataThatStartsLikeAHeaderLineIsData) {
  const testing::TemporaryFolder folder;
  // Read as text, the first record would be the line "# <0>..." that ends with the line feed of the
  // timestamp.
  const Bytes binary = bytes_of(kHeader) + record(0x23000102u, 10) + record(0x0102, 11);
  EXPECT_EQ(testing::refusal(kReader, folder.write(binary)).byte_offset,
            static_cast<std::int64_t>(sizeof(kHeader) - 1));
  // Behind the mark not even text is taken for a header line: "#abc" is an address, which no DVS128 has.
  const std::string marked = std::string(kHeader) + "#End Of ASCII Header\r\n";
  const Bytes text = bytes_of(marked) + bytes_of("#abcdef\n") + record(0x0102, 11);
  EXPECT_EQ(testing::refusal(kReader, folder.write(text)).byte_offset,
            static_cast<std::int64_t>(marked.size()));
}

TEST(Aedat2, OtherVersionsAndFilesAreRefused) {
  const testing::TemporaryFolder folder;
  const Bytes data = record(0x0102, 7);
  const testing::Refusal version =
      testing::refusal(kReader, folder.write(bytes_of("#!AER-DAT3.1\r\n") + data));
  EXPECT_EQ(version.byte_offset, 9);
  EXPECT_NE(version.what.find("'3.1'"), std::string::npos) << version.what;
  for (const char* header : {"", "#!AER-DAT2.0", "# a comment first\r\n#!AER-DAT2.0\r\n", "AER-DAT2.0\r\n",
                             "#!AER-DAT2.01\n", "#!AER-DAT\n", "\n"}) {
    testing::refusal(kReader, folder.write(bytes_of(header) + data));
  }
  testing::refusal(kReader, folder.write({}));
}

TEST(Aedat2, AHeaderWithoutRecordsIsARecordingWithoutEvents) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(read_aedat2(folder.write(bytes_of(kHeader))).events.empty());
  const std::string path = folder.write(bytes_of("#!AER-DAT2.0\r\n"));
  EXPECT_TRUE(read_events(path).events.empty()) << "whatever the chip";
  EXPECT_EQ(open_events(path)->width(), 0);
  EXPECT_EQ(open_events(path, {"auto", 240, 180})->width(), 240);
}

TEST(Aedat2, AnAddressOfAnotherSensorIsRefusedAtItsByte) {
  const testing::TemporaryFolder folder;
  for (const std::uint32_t address : {0x00010000u, 0x72673000u, 0x40000000u, 0x00018000u}) {
    const Bytes bytes = bytes_of(kHeader) + record(0x0102, 1) + record(address, 2);
    EXPECT_EQ(testing::refusal(kReader, folder.write(bytes)).byte_offset,
              static_cast<std::int64_t>(sizeof(kHeader) - 1 + 8));
  }
}

TEST(Aedat2, EveryTruncationButAWholeRecordIsRefused) {
  const std::size_t header = sizeof(kHeader) - 1;
  const std::string text = kHeader;
  testing::expect_truncations_refused(kReader, small_recording(), [&](std::size_t length) {
    if (length < header) return length > 0 && text[length - 1] == '\n';
    return (length - header) % 8 == 0;
  });
}

TEST(Aedat2, MutationsAreSurvived) {
  Bytes good = small_recording();
  for (std::uint32_t i = 0; i < 30; ++i)
    good = std::move(good) + record(i * 997 % 0x8000, std::int64_t{i} * i * 10);
  testing::expect_mutations_survived(kReader, good, 5000);
}

TEST(Aedat2, MissingFileAndFolderAreDataErrors) { testing::expect_missing_refused(kReader); }

TEST(Aedat2, ReadsAnMnistDvsRecording) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat2/mnist_0_scale04_0001.aedat");
  const events::EventStream stream = read_aedat2(path);
  ASSERT_EQ(stream.events.size(), 15744u);
  std::int64_t sum_x = 0, sum_y = 0, sum_polarity = 0, sum_t = 0;
  for (const events::Event& event : stream.events) {
    sum_x += event.x;
    sum_y += event.y;
    sum_polarity += event.polarity;
    sum_t += event.t_us;
  }
  EXPECT_EQ(sum_x, 946367);
  EXPECT_EQ(sum_y, 987962);
  EXPECT_EQ(sum_polarity, 7870);
  EXPECT_EQ(sum_t, 16402402820);
}

TEST(Aedat2, ReadsEveryPokerDvsRecording) {
  SPIKELOOM_REAL_FILE(folder, "SPIKELOOM_DATA_DIR", "poker_dvs");
  std::size_t files = 0, events = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".aedat") continue;
    events += read_aedat2(entry.path().string()).events.size();
    ++files;
  }
  if (files != 100) GTEST_SKIP() << files << " recordings read; the count of events is known for 100 only";
  EXPECT_EQ(events, 286439u);
}

TEST(Aedat2, RefusesARecordingOfAnotherSensor) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat2/jAERdata.aedat");
  EXPECT_EQ(testing::refusal(kReader, path).byte_offset, 0x15e);
}

TEST(Aedat2, RefusesAedat3) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat3/aedat3_for_testing.aedat");
  EXPECT_NE(testing::refusal(kReader, path).what.find("3.1"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom::formats
