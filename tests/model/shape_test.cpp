#include "spikeloom/model/shape.h"

#include <gtest/gtest.h>

#include "spikeloom/model/structure.h"

namespace spikeloom::model {
namespace shape_test {
namespace {

TEST(Shape, ReadsAndWrites) {
  const Shape shape = parse_shape("3x32x16");
  EXPECT_EQ(shape, (Shape{3, 32, 16}));
  EXPECT_EQ(to_string(shape), "3x32x16");
  EXPECT_EQ(shape.size(), 3 * 32 * 16);
  EXPECT_EQ(parse_shape("1x65536x1").height, 65536);
}

TEST(Shape, RefusesWithTheColumn) {
  struct Case {
    const char* text;
    std::size_t position;
  };
  const Case cases[] = {{"", 0},          {"3", 1},        {"3x32", 4},       {"3x32x", 5},
                        {"3x32x32x1", 7}, {"0x32x32", 0},  {"3x65537x32", 2}, {"3x032x32", 2},
                        {"3X32x32", 1},   {" 3x32x32", 0}, {"3x-2x32", 2},    {"3x99999999999999999999x1", 2},
                        {"3x32x32 ", 7}};
  for (const Case& one : cases) {
    try {
      parse_shape(one.text);
      ADD_FAILURE() << "accepted: " << one.text;
    } catch (const StructureError& error) {
      EXPECT_EQ(error.position, one.position) << error.what();
    }
  }
}

TEST(Shape, SizeThatDoesNotFitIsRefused) {
  const std::int64_t big = std::int64_t{1} << 31;
  EXPECT_EQ((Shape{1, big, big}).size(), std::int64_t{1} << 62);
  EXPECT_THROW((Shape{2, big, big}).size(), ShapeError);
}

}  // namespace
}  // namespace shape_test
}  // namespace spikeloom::model
