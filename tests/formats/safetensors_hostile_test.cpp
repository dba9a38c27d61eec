// Files that are not what the safetensors format demands: each must be refused, at the right byte, without
// using more memory than the file justifies.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "spikeloom/formats/safetensors.h"
#include "support.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::operator+;

const testing::Reader kReader = [](const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  for (const TensorInfo& tensor : file.tensors()) {
    Bytes bytes(static_cast<std::size_t>(tensor.size_bytes));
    file.read(tensor, bytes.data());
  }
};

Bytes length_bytes(std::uint64_t length) {
  Bytes bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<std::uint8_t>(length >> shift));
  return bytes;
}

Bytes file_of(const std::string& json, std::size_t data_size) {
  return length_bytes(json.size()) + bytes_of(json) + Bytes(data_size, 7);
}

const char kEntry[] = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";

Bytes small_file() {
  return file_of(R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                 R"("b":{"dtype":"U8","shape":[3,1],"data_offsets":[8,11]}} )",
                 11);
}

TEST(SafetensorsHostile, TheUnharmedFilesAreAccepted) {
  const testing::TemporaryFolder folder;
  EXPECT_NO_THROW(kReader(folder.write(small_file())));
  EXPECT_NO_THROW(kReader(folder.write(file_of("{" + std::string(kEntry) + "}", 8))));
  EXPECT_NO_THROW(kReader(folder.write(file_of("{}", 0))));
  // Any order in the header, blanks, an empty array between two others.
  EXPECT_NO_THROW(kReader(folder.write(file_of(R"({ "b" : {"data_offsets":[4,6],"dtype":"I16","shape":[]},
  "e":{"dtype":"F32","shape":[0,9],"data_offsets":[4,4]},
  "a":{"shape":[1],"dtype":"F32","data_offsets":[0,4]}})",
                                               6))));
}

TEST(SafetensorsHostile, HeaderLengthsAreRefused) {
  const testing::TemporaryFolder folder;
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{1000}, std::uint64_t{100'000'001},
                                     std::uint64_t{1} << 40, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    const std::string path = folder.write(length_bytes(length) + bytes_of("{}"));
    testing::reset_largest_allocation();
    EXPECT_EQ(testing::refusal(kReader, path).byte_offset, 0) << length;
    EXPECT_LT(testing::largest_allocation(), 1u << 16);
  }
  testing::refusal(kReader, folder.write(length_bytes(0)));
  testing::refusal(kReader, folder.write(length_bytes(1) + bytes_of("{}")));
}

TEST(SafetensorsHostile, AHeaderAbove100MBIsRefusedEvenIfTheFileHoldsIt) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.write(length_bytes(100'000'001) + bytes_of("{}"));
  std::filesystem::resize_file(path, 100'000'100);  // a hole: takes no space
  testing::reset_largest_allocation();
  EXPECT_EQ(testing::refusal(kReader, path).byte_offset, 0);
  EXPECT_LT(testing::largest_allocation(), 1u << 16);
}

TEST(SafetensorsHostile, ManyOffsetsAreRefused) {
  const testing::TemporaryFolder folder;
  std::string numbers = "0";
  for (int i = 0; i < 200000; ++i) numbers += ",8";
  const std::string json = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[)" + numbers + "]}}";
  EXPECT_NE(testing::refusal(kReader, folder.write(file_of(json, 8))).what.find("more than 2"),
            std::string::npos);
}

TEST(SafetensorsHostile, HeadersThatAreNotWhatTheFormatDemandsAreRefused) {
  const testing::TemporaryFolder folder;
  const std::string entry = kEntry;
  const char* headers[] = {
      "",
      "[]",
      "null",
      " {}",
      "{",
      "{}}",
      "{}x",
      "{\"a\"}",
      R"({"a":null})",
      R"({"a":true})",
      R"({"a":1})",
      R"({"a":"text"})",
      R"({"a":[]})",
      R"({"a":{}})",
      R"({"a":{"dtype":"F32","shape":[2]}})",
      R"({"a":{"dtype":"F32","data_offsets":[0,8]}})",
      R"({"a":{"shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,-8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8.0]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,1e999]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,"8"]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":{"0":8}}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[[0,8]]}})",
      R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[{}],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[null],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})",
      R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"shape":[],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":1}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":null}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":{}}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":[]})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":"text"})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":"1","k":"2"}})",
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{},"__metadata__":{}})",
      "{\"\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
      "{\"a\n\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
  };
  for (const char* header : headers) {
    SCOPED_TRACE(header);
    const Bytes bytes = file_of(header, 8);
    const testing::Refusal refused = testing::refusal(kReader, folder.write(bytes));
    EXPECT_GE(refused.byte_offset, 8);
    EXPECT_LE(refused.byte_offset, static_cast<std::int64_t>(bytes.size()));
  }
}

TEST(SafetensorsHostile, ShapesThatOverflowAreRefused) {
  const testing::TemporaryFolder folder;
  for (const char* shape :
       {"3", "2,2", "", "0", "4294967296,4294967296,4294967296", "9223372036854775807",
        "9223372036854775807,2", "4611686018427387904,4,2", "9223372036854775807,9223372036854775807,0",
        "18446744073709551615", "18446744073709551618", "99999999999999999999999999"}) {
    const std::string json =
        std::string(R"({"a":{"dtype":"F32","shape":[)") + shape + R"(],"data_offsets":[0,8]}})";
    SCOPED_TRACE(json);
    testing::refusal(kReader, folder.write(file_of(json, 8)));
  }
  std::string ones = "2";
  for (int i = 0; i < 64; ++i) ones += ",1";
  testing::refusal(
      kReader,
      folder.write(file_of(R"({"a":{"dtype":"F32","shape":[)" + ones + R"(],"data_offsets":[0,8]}})", 8)));
}

TEST(SafetensorsHostile, HolesOverlapsAndBytesThatBelongToNothingAreRefused) {
  const testing::TemporaryFolder folder;
  const auto two = [](const char* a, const char* b) {
    return std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  struct Case {
    std::string json;
    std::size_t data_size;
    std::int64_t wrong_data_byte;
  };
  const Case cases[] = {
      {two("[0,4]", "[5,9]"), 9, 4},                                      // hole
      {two("[0,4]", "[3,7]"), 7, 4},                                      // overlap
      {two("[0,4]", "[0,4]"), 4, 4},                                      // twice the same
      {two("[1,5]", "[5,9]"), 9, 0},                                      // hole at the start
      {two("[0,4]", "[4,8]"), 9, 8},                                      // one byte too many
      {two("[0,4]", "[4,8]"), 7, 7},                                      // one too few
      {two("[0,4]", "[9223372036854775803,9223372036854775807]"), 8, 4},  // far away
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
       4, 4},
      {"{}", 1, 0},
  };
  for (const Case& wrong : cases) {
    SCOPED_TRACE(wrong.json);
    const Bytes bytes = file_of(wrong.json, wrong.data_size);
    const std::int64_t data_begin = static_cast<std::int64_t>(8 + wrong.json.size());
    EXPECT_EQ(testing::refusal(kReader, folder.write(bytes)).byte_offset, data_begin + wrong.wrong_data_byte);
  }
}

TEST(SafetensorsHostile, TheOffsetPointsAtTheEntryThatIsWrong) {
  const testing::TemporaryFolder folder;
  const std::string json = R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})";
  const std::int64_t place = 8 + static_cast<std::int64_t>(json.find("F99"));
  const std::int64_t offset = testing::refusal(kReader, folder.write(file_of(json, 8))).byte_offset;
  EXPECT_GE(offset, place);
  EXPECT_LE(offset, place + 4);
}

TEST(SafetensorsHostile, DeepNestingAndLongTextsUseNoMoreMemoryThanTheFile) {
  const testing::TemporaryFolder folder;
  const std::string deep(4 << 20, '[');
  const std::string objects = [] {
    std::string text;
    for (int i = 0; i < 500000; ++i) text += "{\"a\":";
    return text;
  }();
  for (const std::string& json :
       {"{\"a\":" + deep, "{\"a\":{\"shape\":" + deep, objects, "{\"" + std::string(4 << 20, 'x'),
        "{\"" + std::string(4 << 20, 'x') + "\":1}"}) {
    const std::string path = folder.write(file_of(json, 0));
    testing::reset_largest_allocation();
    const testing::Refusal refused = testing::refusal(kReader, path);
    EXPECT_LT(testing::largest_allocation(), 4 * json.size());
    EXPECT_LT(refused.what.size(), path.size() + 300) << "a message fits one line";
  }
}

TEST(SafetensorsHostile, EveryTruncationIsRefused) {
  testing::expect_truncations_refused(kReader, small_file());
}

TEST(SafetensorsHostile, MutationsAreSurvived) {
  testing::expect_mutations_survived(kReader, small_file(), 20000);
}

TEST(SafetensorsHostile, MissingFileAndFolderAreDataErrors) { testing::expect_missing_refused(kReader); }

}  // namespace
}  // namespace spikeloom::formats
