#include "spikeloom/formats/safetensors_checksum.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "support.h"

namespace spikeloom::formats {
namespace {

class SafetensorsChecksum : public ::testing::Test {
 protected:
  void SetUp() override {
    write_safetensors(path_,
                      {{"w", DType::kF32, {2, 1}, weights_},
                       {"odd \" name\n", DType::kI64, {}, &counter_},
                       {"empty", DType::kU8, {0}, nullptr}},
                      {{"format", "test"}}, Checksums::kXxh3);
    bytes_ = read_text_file(path_);
  }
  /// Opens the file and reads all of it; "" or what it throws.
  std::string problem(const std::string& bytes) const {
    write_text_file(damaged_, bytes);
    try {
      const auto file = SafetensorsFile::open(damaged_);
      for (const TensorInfo& tensor : file.tensors()) {
        std::vector<char> data(static_cast<std::size_t>(tensor.size_bytes) + 1);
        file.read(tensor, data.data());
      }
    } catch (const FormatError& error) {
      return error.what();
    }
    return "";
  }
  std::string replaced(const std::string& from, const std::string& to) const {
    std::string text = bytes_;
    EXPECT_NE(text.find(from), std::string::npos) << from;
    EXPECT_EQ(from.size(), to.size());
    return text.replace(text.find(from), from.size(), to);
  }
  const testing::TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/good", damaged_ = folder_.path() + "/damaged";
  const float weights_[2] = {1.0f, -2.0f};
  const std::int64_t counter_ = 7;
  std::string bytes_;
};

TEST_F(SafetensorsChecksum, IsNoPartOfTheMetadata) {
  const auto file = SafetensorsFile::open(path_);
  EXPECT_TRUE(file.has_checksums());
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "test"}}));
  EXPECT_EQ(problem(bytes_), "");
}

TEST_F(SafetensorsChecksum, OfNothingIsThatOfTheSpecification) {
  EXPECT_EQ(checksum_of(nullptr, 0), "2d06800538d394c2");  // xxhash_spec.md's value for seed 0
  EXPECT_NE(bytes_.find("\"xxh3_64.tensor.empty\":\"2d06800538d394c2\""), std::string::npos);
}

TEST_F(SafetensorsChecksum, EveryBitIsCovered) {
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string text = bytes_;
      text[byte] = static_cast<char>(text[byte] ^ (1 << bit));
      ASSERT_NE(problem(text), "") << "byte " << byte << ", bit " << bit;
    }
  }
}

TEST_F(SafetensorsChecksum, NamesTheArrayThatIsDamaged) {
  std::string text = bytes_;
  text[text.size() - 1] ^= 1;  // larger elements lie first
  const std::string message = problem(text);
  EXPECT_NE(message.find("array 'w' does not match its checksum"), std::string::npos) << message;
  EXPECT_NE(message.find("byte " + std::to_string(text.size() - 8)), std::string::npos) << message;
}

TEST_F(SafetensorsChecksum, ThatIsMissingOrTooManyIsRefused) {
  EXPECT_NE(problem(replaced("xxh3_64.header", "xxh3_65.header")).find("has none"), std::string::npos);
  EXPECT_NE(problem(replaced("xxh3_64.tensor.w", "xxh3_64.tensor.v")), "");
  EXPECT_NE(problem(replaced("xxh3_64.tensor.w", "xxh3_64.another.")).find("is not a checksum known"),
            std::string::npos);
  EXPECT_THROW(write_safetensors(path_, {}, {{"xxh3_64.header", "0"}}), FormatError);
}

TEST_F(SafetensorsChecksum, IsNotNeeded) {
  write_safetensors(path_, {{"w", DType::kF32, {2}, weights_}}, {});
  EXPECT_FALSE(SafetensorsFile::open(path_).has_checksums());
  EXPECT_EQ(problem(read_text_file(path_)), "");
}

}  // namespace
}  // namespace spikeloom::formats
