#include "spikeloom/base/errors.h"

#include <gtest/gtest.h>

namespace spikeloom {
namespace {

TEST(ErrorsTest, ConfigErrorLeavesOutWhatIsNotKnown) {
  EXPECT_STREQ(ConfigError("too large").what(), "too large");
  EXPECT_STREQ(ConfigError("too large", "a.toml").what(), "a.toml: too large");
  EXPECT_STREQ(ConfigError("too large", "a.toml", 7).what(), "a.toml:7: too large");
  EXPECT_STREQ(ConfigError("too large", "", 0, "train.epochs").what(), "key 'train.epochs': too large");
  const ConfigError error("too large", "a.toml", 7, "train.epochs");
  EXPECT_STREQ(error.what(), "a.toml:7: key 'train.epochs': too large");
  EXPECT_EQ(error.file(), "a.toml");
  EXPECT_EQ(error.line(), 7);
  EXPECT_EQ(error.key(), "train.epochs");
}

TEST(ErrorsTest, FormatErrorNamesTheByte) {
  const FormatError error("bad magic number", "x.aedat", 12);
  EXPECT_STREQ(error.what(), "x.aedat: byte 12: bad magic number");
  EXPECT_EQ(error.file(), "x.aedat");
  EXPECT_EQ(error.byte_offset(), 12);
  EXPECT_STREQ(FormatError("too short", "x.aedat").what(), "x.aedat: too short");
}

TEST(ErrorsTest, EveryTypeIsAnError) {
  EXPECT_THROW(throw ConfigError("x"), Error);
  EXPECT_THROW(throw FormatError("x", "y"), Error);
  EXPECT_THROW(throw DataError("x"), Error);
  EXPECT_THROW(throw ShapeError("x"), Error);
  EXPECT_THROW(throw DeviceError("x"), Error);
  EXPECT_THROW(throw CheckpointError("x"), Error);
  EXPECT_THROW(throw NumericsError("x"), Error);
}

}  // namespace
}  // namespace spikeloom
