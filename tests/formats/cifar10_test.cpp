#include "spikeloom/formats/cifar10.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>

#include "support.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;

const testing::Reader kCifarReader = [](const std::string& path) { read_cifar10_batch(path); };

/// Two records; each image counts up from its label.
Bytes small_batch() {
  Bytes bytes;
  for (const int label : {9, 0}) {
    bytes.push_back(static_cast<std::uint8_t>(label));
    for (int i = 0; i < 3072; ++i) bytes.push_back(static_cast<std::uint8_t>(label + i));
  }
  return bytes;
}

TEST(Cifar10, ReadsLabelsAndImages) {
  const testing::TemporaryFolder folder;
  const Cifar10Batch batch = read_cifar10_batch(folder.write(small_batch()));
  EXPECT_EQ(batch.labels, (Bytes{9, 0}));
  ASSERT_EQ(batch.images.size(), 2u * 3072u);
  for (int i = 0; i < 3072; ++i) {
    EXPECT_EQ(batch.images[static_cast<std::size_t>(i)], static_cast<std::uint8_t>(9 + i));
    EXPECT_EQ(batch.images[static_cast<std::size_t>(3072 + i)], static_cast<std::uint8_t>(i));
  }
}

TEST(Cifar10, EveryTruncationButAWholeRecordIsRefused) {
  testing::expect_truncations_refused(kCifarReader, small_batch(),
                                      [](std::size_t length) { return length == 3073; });
}

TEST(Cifar10, AWrongLabelIsRefusedAtItsByte) {
  const testing::TemporaryFolder folder;
  Bytes bytes = small_batch();
  bytes[3073] = 10;
  const testing::Refusal refused = testing::refusal(kCifarReader, folder.write(bytes));
  EXPECT_EQ(refused.byte_offset, 3073);
  EXPECT_NE(refused.what.find("10"), std::string::npos) << refused.what;
}

TEST(Cifar10, AWrongSizeIsRefusedWhereTheLastRecordBegins) {
  const testing::TemporaryFolder folder;
  Bytes bytes = small_batch();
  bytes.push_back(0);
  EXPECT_EQ(testing::refusal(kCifarReader, folder.write(bytes)).byte_offset, 2 * 3073);
  EXPECT_EQ(testing::refusal(kCifarReader, folder.write({})).byte_offset, 0);
}

TEST(Cifar10, MutationsAreSurvived) { testing::expect_mutations_survived(kCifarReader, small_batch(), 2000); }

TEST(Cifar10, MissingFileAndFolderAreDataErrors) { testing::expect_missing_refused(kCifarReader); }

TEST(Cifar10, ReadsTheTestBatch) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_DATA_DIR", "cifar10/test_batch.bin");
  const Cifar10Batch batch = read_cifar10_batch(path);
  ASSERT_EQ(batch.labels.size(), 10000u);
  ASSERT_EQ(batch.images.size(), 10000u * 3072u);
  for (std::uint8_t label = 0; label < 10; ++label) {
    EXPECT_EQ(std::count(batch.labels.begin(), batch.labels.end(), label), 1000);
  }
  EXPECT_EQ(Bytes(batch.labels.begin(), batch.labels.begin() + 5), (Bytes{3, 8, 8, 0, 6}));
  EXPECT_EQ(Bytes(batch.images.begin(), batch.images.begin() + 4), (Bytes{158, 159, 165, 166}));
  // The file's byte sum less that of its labels, 1000 * (0 + ... + 9).
  EXPECT_EQ(std::accumulate(batch.images.begin(), batch.images.end(), std::uint64_t{0}),
            3733419266u - 45000u);
}

}  // namespace
}  // namespace spikeloom::formats
