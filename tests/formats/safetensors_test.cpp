#include "spikeloom/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "spikeloom/base/files.h"
#include "support.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::operator+;
using Metadata = std::map<std::string, std::string>;

constexpr DType kAllDTypes[] = {DType::kF64, DType::kF32, DType::kBF16, DType::kF16,    DType::kI64,
                                DType::kI32, DType::kI16, DType::kI8,   DType::kU64,    DType::kU32,
                                DType::kU16, DType::kU8,  DType::kBool, DType::kF8E4M3, DType::kF8E5M2};

Bytes read_back(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* tensor = file.find(name);
  if (tensor == nullptr) {
    ADD_FAILURE() << name << " is not there";
    return {};
  }
  Bytes bytes(static_cast<std::size_t>(tensor->size_bytes));
  file.read(*tensor, bytes.data());
  return bytes;
}

TEST(Safetensors, TheBytesOfATinyFileAreThoseOfTheSpecification) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/tiny";
  const float weights[2] = {1.0f, -2.0f};
  const std::uint8_t mask[3] = {1, 0, 1};
  write_safetensors(path, {{"mask", DType::kU8, {3}, mask}, {"w", DType::kF32, {2, 1}, weights}},
                    {{"T", "5"}});
  const std::string json =
      "{\"__metadata__\":{\"T\":\"5\"},\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
      "\"mask\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}";
  ASSERT_EQ(json.size(), 137u);
  const Bytes expected = Bytes{144, 0, 0, 0, 0, 0, 0, 0} + bytes_of(json + "       ") +
                         Bytes{0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0, 1, 0, 1};
  EXPECT_EQ(read_file(path), expected);
}

TEST(Safetensors, AFileWithoutArraysIsAnEmptyObject) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/empty";
  write_safetensors(path, {}, {});
  EXPECT_EQ(read_file(path), (Bytes{8, 0, 0, 0, 0, 0, 0, 0} + bytes_of("{}      ")));
  EXPECT_TRUE(SafetensorsFile::open(path).tensors().empty());
}

TEST(Safetensors, EveryElementTypeSurvivesTheRoundTripAligned) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/all";
  std::vector<Bytes> data;
  std::vector<TensorView> tensors;
  for (const DType dtype : kAllDTypes) {
    Bytes bytes(dtype_size(dtype) * 3);
    for (std::uint8_t& byte : bytes)
      byte = static_cast<std::uint8_t>(17 * data.size() + (&byte - bytes.data()));
    data.push_back(bytes);
  }
  for (std::size_t i = 0; i < data.size(); ++i) {
    tensors.push_back({std::string("t.") + dtype_name(kAllDTypes[i]), kAllDTypes[i], {3, 1}, data[i].data()});
  }
  write_safetensors(path, tensors, {});
  const SafetensorsFile file = SafetensorsFile::open(path);
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo* info = file.find(tensors[i].name);
    ASSERT_NE(info, nullptr);
    EXPECT_EQ(info->dtype, tensors[i].dtype);
    EXPECT_EQ(info->shape, tensors[i].shape);
    EXPECT_EQ(info->offset % static_cast<std::int64_t>(dtype_size(info->dtype)), 0) << info->name;
    EXPECT_EQ(read_back(file, tensors[i].name), data[i]);
  }
}

TEST(Safetensors, ScalarsEmptyArraysAndStrangeNamesSurviveTheRoundTrip) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/odd";
  const double scalar = 0.1;
  const std::int64_t counter = -3;
  const std::string odd = "a \"quoted\"\\ name\n\t\x01 in Zürich 中";
  const Metadata metadata = {{"network", "{\"layers\": [1, 2]}"}, {odd, odd}, {"", ""}};
  write_safetensors(path,
                    {{"scalar", DType::kF64, {}, &scalar},
                     {"empty", DType::kF32, {0, 28}, nullptr},
                     {"empty_too", DType::kF64, {3, 0}, nullptr},
                     {odd, DType::kI64, {1}, &counter},
                     {"", DType::kI64, {1, 1, 1}, &counter}},
                    metadata);
  const SafetensorsFile file = SafetensorsFile::open(path);
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(file.tensors().size(), 5u);
  double scalar_back = 0.0;
  file.read(*file.find("scalar"), &scalar_back);
  EXPECT_EQ(scalar_back, scalar);
  EXPECT_TRUE(file.find("scalar")->shape.empty());
  EXPECT_EQ(file.find("empty")->shape, (std::vector<std::int64_t>{0, 28}));
  EXPECT_EQ(file.find("empty")->size_bytes, 0);
  std::int64_t counter_back = 0;
  file.read(*file.find(odd), &counter_back);
  EXPECT_EQ(counter_back, counter);
  EXPECT_NE(file.find(""), nullptr);
  EXPECT_EQ(file.find("absent"), nullptr);
}

TEST(Safetensors, TheSameContentGivesTheSameBytesInAnyOrder) {
  const testing::TemporaryFolder folder;
  const float a = 1.0f, b = 2.0f;
  const std::int64_t c = 3;
  const TensorView first{"a", DType::kF32, {1}, &a}, second{"b", DType::kF32, {1}, &b},
      third{"c", DType::kI64, {1}, &c};
  write_safetensors(folder.path() + "/1", {first, second, third}, {{"x", "1"}, {"y", "2"}});
  write_safetensors(folder.path() + "/2", {third, second, first}, {{"y", "2"}, {"x", "1"}});
  EXPECT_EQ(read_file(folder.path() + "/1"), read_file(folder.path() + "/2"));
  const SafetensorsFile file = SafetensorsFile::open(folder.path() + "/1");
  EXPECT_EQ(file.tensors()[0].name, "c");
  EXPECT_EQ(file.tensors()[1].name, "a");
  EXPECT_EQ(file.tensors()[2].name, "b");
}

TEST(Safetensors, DataBeginsAtAMultipleOf8WhateverTheNames) {
  const testing::TemporaryFolder folder;
  const double value = 1.0;
  for (std::size_t length = 1; length <= 20; ++length) {
    const std::string path = folder.path() + "/" + std::to_string(length);
    const std::string name(length, 'n');
    write_safetensors(path, {{name, DType::kF64, {1}, &value}}, {});
    EXPECT_EQ(SafetensorsFile::open(path).find(name)->offset % 8, 0);
  }
}

TEST(Safetensors, WhatCannotBeWrittenIsRefusedAndTheOldFileStays) {
  const testing::TemporaryFolder folder;
  const float value = 1.0f;
  const TensorView good{"good", DType::kF32, {1}, &value};
  const std::string path = folder.write(bytes_of("old"));
  const std::vector<std::vector<TensorView>> bad = {
      {good, good},
      {{"__metadata__", DType::kF32, {1}, &value}},
      {{"\xff\xfe", DType::kF32, {1}, &value}},
      {{"negative", DType::kF32, {-1}, &value}},
      {{"huge", DType::kF32, {std::int64_t{1} << 40, std::int64_t{1} << 40}, &value}},
      {{"huge_and_empty", DType::kF32, {std::int64_t{1} << 40, std::int64_t{1} << 40, 0}, &value}},
      {{"no_data", DType::kF32, {1}, nullptr}},
      {{"deep", DType::kF32, std::vector<std::int64_t>(65, 1), &value}}};
  for (const auto& tensors : bad) {
    const auto write = [&](const std::string& target) { write_safetensors(target, tensors, {}); };
    EXPECT_EQ(testing::refusal(write, path).byte_offset, -1) << tensors[0].name;
  }
  EXPECT_THROW(write_safetensors(path, {good}, {{"key", "\xc3"}}), FormatError);
  EXPECT_EQ(read_file(path), bytes_of("old"));
  EXPECT_THROW(write_safetensors(folder.path() + "/absent/file", {good}, {}), DataError);
}

TEST(Safetensors, AnOpenFileIsNotMixedWithItsReplacement) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/model";
  const float old_value = 1.0f, new_value = 2.0f;
  write_safetensors(path, {{"w", DType::kF32, {1}, &old_value}}, {});
  const SafetensorsFile opened = SafetensorsFile::open(path);
  const SafetensorsFile copy = opened;
  write_safetensors(path, {{"w", DType::kF32, {1}, &new_value}}, {});
  float value = 0.0f;
  copy.read(*copy.find("w"), &value);
  EXPECT_EQ(value, old_value);
  SafetensorsFile::open(path).read(*opened.find("w"), &value);
  EXPECT_EQ(value, new_value);
}

TEST(Safetensors, ReadingAnArrayThatIsNotThereIsRefused) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/model";
  const float values[4] = {};
  write_safetensors(path, {{"w", DType::kF32, {4}, values}}, {});
  const SafetensorsFile file = SafetensorsFile::open(path);
  Bytes destination(16);
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const TensorInfo& good = *file.find("w");
  for (const auto& [offset, size] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 8},
                                                                                       {-1, 8},
                                                                                       {good.offset, 17},
                                                                                       {good.offset + 1, 16},
                                                                                       {kMax, 1},
                                                                                       {good.offset, kMax},
                                                                                       {good.offset, -1}}) {
    TensorInfo wrong = good;
    wrong.offset = offset;
    wrong.size_bytes = size;
    EXPECT_THROW(file.read(wrong, destination.data()), FormatError) << offset << " " << size;
  }
  std::filesystem::resize_file(path, static_cast<std::uintmax_t>(good.offset) + 10);
  EXPECT_EQ(
      testing::refusal([&](const std::string&) { file.read(good, destination.data()); }, path).byte_offset,
      good.offset + 10);
}

TEST(Safetensors, ThreadsMayReadAtTheSameTime) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() + "/model";
  std::vector<std::uint32_t> values(1 << 16);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i * 2654435761u);
  write_safetensors(
      path, {{"a", DType::kU32, {1 << 15}, values.data()}, {"b", DType::kU32, {1 << 15}, &values[1 << 15]}},
      {});
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::vector<std::uint32_t> result(values.size());
  std::thread other([&] { file.read(*file.find("a"), result.data()); });
  file.read(*file.find("b"), result.data() + (1 << 15));
  other.join();
  EXPECT_EQ(result, values);
}

TEST(Safetensors, TypesHaveTheNamesAndSizesOfTheSpecification) {
  const char* names[] = {"F64", "F32", "BF16", "F16", "I64",  "I32",     "I16",    "I8",
                         "U64", "U32", "U16",  "U8",  "BOOL", "F8_E4M3", "F8_E5M2"};
  const std::size_t sizes[] = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1, 1, 1};
  for (std::size_t i = 0; i < std::size(kAllDTypes); ++i) {
    EXPECT_STREQ(dtype_name(kAllDTypes[i]), names[i]);
    EXPECT_EQ(dtype_size(kAllDTypes[i]), sizes[i]);
  }
  EXPECT_THROW(dtype_size(static_cast<DType>(99)), ShapeError);
}

}  // namespace
}  // namespace spikeloom::formats
