#include "spikeloom/formats/npy_values.h"

#include <cstring>

#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

using namespace testing;

NumberArray read(const std::string& path) { return read_number_array(open_file_source(path)); }

TEST(NumberArrays, AreReadWhateverTheirTypeAndShape) {
  const TemporaryFolder folder;
  Bytes floats(6 * sizeof(float)), doubles(6 * sizeof(double));
  for (std::size_t i = 0; i < 6; ++i) {
    const float one = static_cast<float>(i) - 2.5f;
    const double two = one;
    std::memcpy(&floats[i * sizeof one], &one, sizeof one);
    std::memcpy(&doubles[i * sizeof two], &two, sizeof two);
  }
  const std::vector<float> halves = {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f}, whole = {-2, -1, 0, 1, 2, 3};
  const Bytes shorts = little_endian({-2, -1, 0, 1, 2, 3}, 2);
  const auto expect = [&](const std::string& descr, const std::string& shape, const Bytes& data,
                          const std::vector<std::int64_t>& axes, const std::vector<float>& values) {
    const std::string path = folder.write(npy_file(descr, shape, data));
    const NumberArray array = read(path);
    EXPECT_EQ(array.shape, axes);
    EXPECT_EQ(array.values, values);
    EXPECT_EQ(plain_array_shape(path), axes);
  };
  expect("'<f4'", "(6,)", floats, {6}, halves);
  expect("'<f8'", "(1, 2, 3)", doubles, {1, 2, 3}, halves);
  expect("'<i2'", "(3, 2)", shorts, {3, 2}, whole);
  expect("'|b1'", "(2,)", {0, 1}, {2}, {0, 1});
  expect("'<i2'", "(0, 2)", {}, {0, 2}, {});
}

TEST(NumberArrays, OtherArraysAndDamageAreRefused) {
  const TemporaryFolder folder;
  const auto what = [&](const Bytes& bytes) {
    return refusal([](const std::string& path) { read(path); }, folder.write(bytes)).what;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  const Bytes data = little_endian({1, 2, 3, 4}, 2);
  has(what(npy_file("'<i2'", "(2, 2)", data, true)), "Fortran order");
  has(what(npy_file("'<U1'", "(2,)", data)), "not an array of numbers");
  const Bytes structured = npy_file("[('t', '<i2')]", "(4,)", data);
  has(what(structured), "a structured one");
  EXPECT_EQ(plain_array_shape(folder.write(structured)), std::nullopt);
  EXPECT_EQ(plain_array_shape(folder.write(bytes_of("t,x,y,p"))), std::nullopt);
  EXPECT_EQ(plain_array_shape(folder.path() + "/none"), std::nullopt);
  has(what(npy_file("'<i2'", "(1000000, 1000000)", data)), "before its array does");

  const Reader reader = [](const std::string& path) { read(path); };
  const Bytes good = npy_file("'<i2'", "(2, 2)", data);
  expect_truncations_refused(reader, good);
  expect_mutations_survived(reader, good, 500);
}

}  // namespace
}  // namespace spikeloom::formats
