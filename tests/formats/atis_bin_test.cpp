#include "spikeloom/formats/events/records/atis_bin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::operator+;

const testing::Reader kAtisReader = [](const std::string& path) { read_atis_bin(path); };

Bytes event_bytes(int x, int y, int polarity, std::uint32_t raw_time) {
  return {static_cast<std::uint8_t>(x), static_cast<std::uint8_t>(y),
          static_cast<std::uint8_t>(polarity << 7 | static_cast<int>(raw_time >> 16)),
          static_cast<std::uint8_t>(raw_time >> 8), static_cast<std::uint8_t>(raw_time)};
}

std::vector<std::int64_t> atis_times(const events::EventStream& stream) {
  std::vector<std::int64_t> result;
  for (const events::Event& event : stream.events) result.push_back(event.t_us);
  return result;
}

TEST(AtisBin, ReadsTheByteTable) {
  const testing::TemporaryFolder folder;
  const events::EventStream stream = read_atis_bin(
      folder.write({7, 15, 0x80, 0x02, 0x8e, 19, 18, 0x00, 0x0b, 0xb7, 33, 33, 0x7f, 0xff, 0xff}));
  EXPECT_EQ(stream.width, 34);
  EXPECT_EQ(stream.height, 34);
  ASSERT_EQ(stream.events.size(), 3u);
  EXPECT_EQ(stream.events[0].x, 7);
  EXPECT_EQ(stream.events[0].y, 15);
  EXPECT_EQ(stream.events[0].polarity, 1);
  EXPECT_EQ(stream.events[0].t_us, 0x28e);
  EXPECT_EQ(stream.events[1].x, 19);
  EXPECT_EQ(stream.events[1].y, 18);
  EXPECT_EQ(stream.events[1].polarity, 0);
  EXPECT_EQ(stream.events[1].t_us, 0xbb7);
  EXPECT_EQ(stream.events[2].polarity, 0);
  EXPECT_EQ(stream.events[2].t_us, 0x7fffff);
}

TEST(AtisBin, AnOverflowEventMakesTheLaterOnes8192Later) {
  const testing::TemporaryFolder folder;
  const Bytes bytes = event_bytes(1, 1, 0, 8000) + event_bytes(0, 240, 0, 0) + event_bytes(1, 1, 0, 100) +
                      event_bytes(200, 240, 1, 8191) + event_bytes(1, 1, 0, 5);
  EXPECT_EQ(atis_times(read_atis_bin(folder.write(bytes))), (std::vector<std::int64_t>{8000, 8292, 16389}));
}

TEST(AtisBin, TimeThatWrapsGoesOn) {
  const testing::TemporaryFolder folder;
  const Bytes bytes = event_bytes(1, 1, 0, 0x7ffff0) + event_bytes(1, 1, 0, 0x10) +
                      event_bytes(1, 1, 0, 0x400000) + event_bytes(1, 1, 0, 0x7fffff) +
                      event_bytes(1, 1, 0, 1);
  EXPECT_EQ(atis_times(read_atis_bin(folder.write(bytes))),
            (std::vector<std::int64_t>{0x7ffff0, 0x800010, 0xc00000, 0xffffff, 0x1000001}));
}

TEST(AtisBin, ASmallStepBackIsKept) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(atis_times(read_atis_bin(folder.write(event_bytes(1, 1, 0, 50) + event_bytes(1, 1, 0, 40)))),
            (std::vector<std::int64_t>{50, 40}));
}

TEST(AtisBin, EventsOutsideTheSensorAreRefusedAtTheirByte) {
  const testing::TemporaryFolder folder;
  for (const Bytes& outside :
       {event_bytes(34, 0, 0, 9), event_bytes(0, 34, 0, 9), event_bytes(0, 241, 0, 9)}) {
    const testing::Refusal refused =
        testing::refusal(kAtisReader, folder.write(event_bytes(33, 33, 1, 0) + outside));
    EXPECT_EQ(refused.byte_offset, 5);
    EXPECT_NE(refused.what.find("34 x 34"), std::string::npos) << refused.what;
  }
  const std::string path = folder.write(event_bytes(239, 179, 0, 1));
  const events::EventStream stream = read_atis_bin(path, 240, 180);
  EXPECT_EQ(stream.width, 240);
  EXPECT_EQ(stream.height, 180);
  EXPECT_THROW(read_atis_bin(path, 239, 180), FormatError);
  EXPECT_THROW(read_atis_bin(path, 240, 179), FormatError);
  EXPECT_THROW(read_atis_bin(path, 0, 34), ShapeError);
  EXPECT_THROW(read_atis_bin(path, 34, -1), ShapeError);
}

TEST(AtisBin, EveryTruncationButAWholeEventIsRefused) {
  const Bytes good = event_bytes(1, 2, 0, 3) + event_bytes(4, 5, 1, 6) + event_bytes(7, 8, 0, 9);
  testing::expect_truncations_refused(kAtisReader, good,
                                      [](std::size_t length) { return length > 0 && length % 5 == 0; });
}

TEST(AtisBin, MutationsAreSurvived) {
  Bytes good;
  for (std::uint32_t i = 0; i < 40; ++i)
    good = std::move(good) + event_bytes(static_cast<int>(i % 34), 5, i % 2 == 0, i * 1000);
  testing::expect_mutations_survived(kAtisReader, good, 5000);
}

TEST(AtisBin, MissingFileAndFolderAreDataErrors) { testing::expect_missing_refused(kAtisReader); }

TEST(AtisBin, ReadsARealRecording) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "atis/sample_nmnist.bin");
  const events::EventStream stream = read_atis_bin(path);
  ASSERT_EQ(stream.events.size(), 4325u);
  std::int64_t sum_x = 0, sum_y = 0, sum_polarity = 0, sum_t = 0;
  for (const events::Event& event : stream.events) {
    sum_x += event.x;
    sum_y += event.y;
    sum_polarity += event.polarity;
    sum_t += event.t_us;
  }
  EXPECT_EQ(sum_x, 74457);
  EXPECT_EQ(sum_y, 71931);
  EXPECT_EQ(sum_polarity, 2145);
  EXPECT_EQ(sum_t, 690487405);
}

TEST(AtisBin, ReadsEveryNmnistRecording) {
  SPIKELOOM_REAL_FILE(folder, "SPIKELOOM_DATA_DIR", "nmnist/Train");
  std::size_t files = 0, events = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".bin") continue;
    const events::EventStream stream = read_atis_bin(entry.path().string());
    EXPECT_TRUE(std::is_sorted(stream.events.begin(), stream.events.end(), [](const auto& a, const auto& b) {
      return a.t_us < b.t_us;
    })) << entry.path();
    ++files;
    events += stream.events.size();
  }
  ASSERT_GT(files, 0u);
  if (files != 1000)
    GTEST_SKIP() << files << " recordings read; the count of events is known for the first 1000 only";
  EXPECT_EQ(events, 4133231u);
}

}  // namespace
}  // namespace spikeloom::formats
