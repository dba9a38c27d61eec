#include "spikeloom/formats/tensorboard/event_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "tests/formats/support.h"

namespace spikeloom::formats {
namespace {

std::uint32_t crc_of(const std::vector<std::uint8_t>& bytes) { return crc32c({bytes.data(), bytes.size()}); }

TEST(EventFileChecksum, IsCrc32cOfRfc3720) {
  // Appendix B.4 of the RFC.
  EXPECT_EQ(crc_of(std::vector<std::uint8_t>(32, 0x00)), 0x8a9136aau);
  EXPECT_EQ(crc_of(std::vector<std::uint8_t>(32, 0xff)), 0x62a8ab43u);
  std::vector<std::uint8_t> up(32);
  for (std::size_t i = 0; i < up.size(); ++i) up[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(crc_of(up), 0x46dd794eu);
  EXPECT_EQ(crc_of({}), 0u);
  EXPECT_EQ(masked_crc32c({nullptr, 0}), 0xa282ead8u);
}

TEST(EventFileHistogram, CountsEachFiniteValueOnce) {
  const std::vector<float> values = {-1.0f,
                                     -0.99f,
                                     0.0f,
                                     0.99f,
                                     1.0f,
                                     1.0f,
                                     std::numeric_limits<float>::quiet_NaN(),
                                     std::numeric_limits<float>::infinity()};
  const Histogram histogram = histogram_of({values.data(), values.size()}, 4);
  EXPECT_EQ(histogram.counts, (std::vector<std::int64_t>{2, 0, 1, 3}));
  EXPECT_EQ(histogram.min, -1.0);
  EXPECT_EQ(histogram.max, 1.0);
  EXPECT_NEAR(histogram.sum, 1.0, 1e-6);
  EXPECT_NEAR(histogram.sum_of_squares, 3.0 + 2 * 0.99 * 0.99, 1e-6);
  EXPECT_EQ(histogram.total(), 6);
}

TEST(EventFileHistogram, OfOneValueOrNoneHasOneBucketOrNone) {
  const std::vector<float> same(7, 0.5f), none(3, std::numeric_limits<float>::infinity());
  EXPECT_EQ(histogram_of({same.data(), same.size()}).counts, std::vector<std::int64_t>{7});
  EXPECT_TRUE(histogram_of({none.data(), none.size()}).counts.empty());
  EXPECT_TRUE(histogram_of({}).counts.empty());
}

TEST(EventFileHistogram, TakesTheWholeRangeOfFloats) {
  const float most = std::numeric_limits<float>::max();
  const std::vector<float> values = {-most, most, 0.0f};
  const Histogram histogram = histogram_of({values.data(), values.size()});
  EXPECT_EQ(histogram.total(), 3);
  EXPECT_EQ(histogram.counts.front(), 1);
  EXPECT_EQ(histogram.counts.back(), 1);
}

TEST(EventFile, IsRecordsWithLengthAndChecksums) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/" + "events.out.tfevents.0000000001.spikeloom";
  EventFile file(path, 1);
  file.scalars(3, {{"a", 0.5}});
  const auto bytes = read_file(path);
  EXPECT_EQ(file.size(), static_cast<std::int64_t>(bytes.size()));
  std::size_t at = 0;
  int records = 0;
  while (at < bytes.size()) {
    std::uint64_t length = 0;
    std::uint32_t check = 0;
    ASSERT_LE(at + 12, bytes.size());
    std::memcpy(&length, &bytes[at], 8);
    std::memcpy(&check, &bytes[at + 8], 4);
    EXPECT_EQ(masked_crc32c({&bytes[at], 8}), check);
    ASSERT_LE(at + 16 + length, bytes.size());
    std::memcpy(&check, &bytes[at + 12 + length], 4);
    EXPECT_EQ(masked_crc32c({&bytes[at + 12], static_cast<std::size_t>(length)}), check);
    at += 16 + length;
    ++records;
  }
  EXPECT_EQ(records, 3) << "version, start, scalar";
  EXPECT_THROW(EventFile(path, 1), DataError) << "never over another file";
}

TEST(EventFile, NamesGrowInTheOrderOfNames) {
  const testing::TemporaryFolder folder;
  std::string last;
  for (int i = 0; i < 5; ++i) {
    const std::string name = new_event_file_name(folder.path());
    EXPECT_GT(name, last);
    write_text_file(folder.path() + "/" + name, "");
    last = name;
  }
  write_text_file(folder.path() + "/" + "events.out.tfevents.9999999998.spikeloom",
                  "");  // a clock that was wrong
  EXPECT_EQ(new_event_file_name(folder.path()), "events.out.tfevents.9999999999.spikeloom");
}

TEST(EventFile, IsCutBackToACheckpointAndOthersStay) {
  const testing::TemporaryFolder folder;
  for (const char* name :
       {"events.out.tfevents.0000000001.spikeloom", "events.out.tfevents.0000000002.spikeloom",
        "events.out.tfevents.0000000003.spikeloom", "events.out.tfevents.0000000004.host",
        "events.out.tfevents.x.spikeloom", "metrics.jsonl"}) {
    write_text_file(folder.path() + "/" + name, "0123456789");
  }
  cut_event_files(folder.path(), "events.out.tfevents.0000000002.spikeloom", 4);
  EXPECT_EQ(read_text_file(folder.path() + "/" + "events.out.tfevents.0000000001.spikeloom"), "0123456789");
  EXPECT_EQ(read_text_file(folder.path() + "/" + "events.out.tfevents.0000000002.spikeloom"), "0123");
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/" + "events.out.tfevents.0000000003.spikeloom"));
  for (const char* name :
       {"events.out.tfevents.0000000004.host", "events.out.tfevents.x.spikeloom", "metrics.jsonl"}) {
    EXPECT_EQ(read_text_file(folder.path() + "/" + name), "0123456789") << name;
  }
  cut_event_files(folder.path(), "events.out.tfevents.0000000002.spikeloom", 100);
  EXPECT_EQ(read_text_file(folder.path() + "/" + "events.out.tfevents.0000000002.spikeloom"), "0123")
      << "never longer";
}

}  // namespace
}  // namespace spikeloom::formats
