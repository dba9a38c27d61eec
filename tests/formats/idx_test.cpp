#include "spikeloom/formats/idx.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "support.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::operator+;

const testing::Reader kIdxReader = [](const std::string& path) { read_idx(path); };
const Bytes kSmall = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 11, 12, 20, 21, 22};

Bytes shape_header(const std::vector<std::uint32_t>& shape) {
  Bytes bytes = {0, 0, 8, static_cast<std::uint8_t>(shape.size())};
  for (const std::uint32_t size : shape) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(size >> shift));
  }
  return bytes;
}

void expect_small(const IdxArray& array) {
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(array.values, (Bytes{10, 11, 12, 20, 21, 22}));
}

TEST(Idx, ReadsPlainAndGzipAlike) {
  const testing::TemporaryFolder folder;
  expect_small(read_idx(folder.write(kSmall)));
  expect_small(read_idx(folder.write(testing::gzipped(kSmall), "no_gz_in_the_name")));
}

TEST(Idx, ReadsGzipOfSeveralMembers) {
  const testing::TemporaryFolder folder;
  const Bytes first(kSmall.begin(), kSmall.begin() + 7), second(kSmall.begin() + 7, kSmall.end());
  expect_small(
      read_idx(folder.write(testing::gzipped(first) + testing::gzipped({}) + testing::gzipped(second))));
}

TEST(Idx, AnArrayWithoutValuesIsRead) {
  const testing::TemporaryFolder folder;
  const IdxArray array = read_idx(folder.write(shape_header({0, 28, 28})));
  EXPECT_EQ(array.shape, (std::vector<std::int64_t>{0, 28, 28}));
  EXPECT_TRUE(array.values.empty());
}

TEST(Idx, EveryTruncationIsRefused) {
  testing::expect_truncations_refused(kIdxReader, kSmall);
  testing::expect_truncations_refused(kIdxReader, testing::gzipped(kSmall));
}

TEST(Idx, TruncationNamesTheEndOfTheFile) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(testing::refusal(kIdxReader, folder.write(Bytes(kSmall.begin(), kSmall.end() - 1))).byte_offset,
            17);
  const Bytes packed = testing::gzipped(kSmall);
  EXPECT_EQ(testing::refusal(kIdxReader, folder.write(Bytes(packed.begin(), packed.end() - 1))).byte_offset,
            static_cast<std::int64_t>(packed.size()) - 1);
}

TEST(Idx, WrongHeadersAreRefusedAtTheirByte) {
  const testing::TemporaryFolder folder;
  const auto offset_with = [&](std::size_t place, std::uint8_t value) {
    Bytes bytes = kSmall;
    bytes[place] = value;
    return testing::refusal(kIdxReader, folder.write(bytes)).byte_offset;
  };
  EXPECT_EQ(offset_with(0, 1), 0);
  EXPECT_EQ(offset_with(1, 1), 1);
  EXPECT_EQ(offset_with(2, 0x0d), 2);
  EXPECT_EQ(offset_with(3, 0), 3);
  EXPECT_EQ(offset_with(7, 1), 15) << "three values too many";
  EXPECT_EQ(offset_with(7, 3), 18) << "three values too few";
}

TEST(Idx, HugeShapesAreRefusedWithoutAllocating) {
  const testing::TemporaryFolder folder;
  const std::vector<std::vector<std::uint32_t>> shapes = {
      {0xffffffffu},
      {0xffffffffu, 0xffffffffu},
      {0x80000000u, 0x80000000u, 4},  // 2^64: zero if the product wraps
      {0xffffffffu, 0xffffffffu, 0xffffffffu, 0},
      std::vector<std::uint32_t>(255, 0xffffffffu),
      {1u << 30}};
  for (const auto& shape : shapes) {
    // Without values too: a product that wraps to zero would make that a whole file.
    const Bytes bare = shape_header(shape), filled = bare + Bytes(10, 7);
    for (const Bytes& bytes : {bare, filled, testing::gzipped(bare), testing::gzipped(filled)}) {
      const std::string path = folder.write(bytes);
      testing::reset_largest_allocation();
      testing::refusal(kIdxReader, path);
      EXPECT_LT(testing::largest_allocation(), 1u << 20);
    }
  }
}

TEST(Idx, AGzipBombIsNotInflated) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.write(testing::gzipped(kSmall + Bytes(64 << 20, 0)));
  testing::reset_largest_allocation();
  EXPECT_EQ(testing::refusal(kIdxReader, path).byte_offset, static_cast<std::int64_t>(kSmall.size()));
  EXPECT_LT(testing::largest_allocation(), 1u << 20);
}

TEST(Idx, DamagedGzipIsRefused) {
  const testing::TemporaryFolder folder;
  const Bytes good = testing::gzipped(kSmall);
  for (const std::size_t from_end : {1, 4, 5, 8}) {  // length and checksum
    Bytes bytes = good;
    bytes[bytes.size() - from_end] ^= 1;
    const testing::Refusal refused = testing::refusal(kIdxReader, folder.write(bytes));
    EXPECT_NE(refused.what.find("damaged"), std::string::npos) << refused.what;
  }
  testing::refusal(kIdxReader, folder.write(good + Bytes{0}));
  testing::refusal(kIdxReader, folder.write(good + testing::gzipped({1})));
}

TEST(Idx, MutationsAreSurvived) {
  testing::expect_mutations_survived(kIdxReader, kSmall, 3000);
  testing::expect_mutations_survived(kIdxReader, testing::gzipped(kSmall), 3000);
}

TEST(Idx, MissingFileAndFolderAreDataErrors) { testing::expect_missing_refused(kIdxReader); }

std::uint64_t sum(const Bytes& values) {
  return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

TEST(Idx, ReadsMnist) {
  SPIKELOOM_REAL_FILE(images, "SPIKELOOM_DATA_DIR", "mnist/train-images-idx3-ubyte.gz");
  SPIKELOOM_REAL_FILE(labels, "SPIKELOOM_DATA_DIR", "mnist/train-labels-idx1-ubyte.gz");
  const IdxArray image_array = read_idx(images);
  EXPECT_EQ(image_array.shape, (std::vector<std::int64_t>{60000, 28, 28}));
  EXPECT_EQ(sum(image_array.values), 1567298545u);
  const IdxArray label_array = read_idx(labels);
  EXPECT_EQ(label_array.shape, (std::vector<std::int64_t>{60000}));
  EXPECT_EQ(Bytes(label_array.values.begin(), label_array.values.begin() + 10),
            (Bytes{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}));
  EXPECT_EQ(sum(label_array.values), 267236u);
}

TEST(Idx, ReadsFashionMnist) {
  const std::string folder = "/usr/share/datasets/fashion-mnist";  // Debian package dataset-fashion-mnist
  IdxArray images;
  try {
    images = read_idx(folder + "/t10k-images-idx3-ubyte.gz");
  } catch (const DataError& error) {
    GTEST_SKIP() << "needs the package dataset-fashion-mnist: " << error.what();
  }
  EXPECT_EQ(images.shape, (std::vector<std::int64_t>{10000, 28, 28}));
  EXPECT_EQ(sum(images.values), 573469082u);
  EXPECT_EQ(sum(read_idx(folder + "/t10k-labels-idx1-ubyte.gz").values), 45000u);
}

}  // namespace
}  // namespace spikeloom::formats
