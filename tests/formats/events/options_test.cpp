#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/event_reader_options.h"
#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

template <class Parse>
void expect_refused(Parse parse, const std::string& text, const std::string& help) {
  try {
    parse(text);
    FAIL() << "'" << text << "' was taken";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("'" + text + "'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(help), std::string::npos) << error.what();
  }
}

TEST(EventReaderOptions, SizesOfSensors) {
  EXPECT_EQ(parse_sensor("346x260").width, 346);
  EXPECT_EQ(parse_sensor("346x260").height, 260);
  EXPECT_EQ(parse_sensor("65536x1").width, 65536);
  for (const char* text :
       {"", "346", "346x", "x260", "0x260", "346x-1", "346x260x1", "65537x1", "3.5x2", "346 x 260"}) {
    expect_refused(parse_sensor, text, "WIDTHxHEIGHT");
  }
}

TEST(EventReaderOptions, UnitsOfTime) {
  EXPECT_EQ(parse_time_unit(""), TimeUnit::kFile);
  EXPECT_EQ(parse_time_unit("s"), TimeUnit::kSeconds);
  EXPECT_EQ(parse_time_unit("ms"), TimeUnit::kMilliseconds);
  EXPECT_EQ(parse_time_unit("us"), TimeUnit::kMicroseconds);
  EXPECT_EQ(parse_time_unit("ns"), TimeUnit::kNanoseconds);
  for (const char* text : {"S", "sec", "us ", "min"})
    expect_refused(parse_time_unit, text, "s, ms, us or ns");
}

TEST(EventReaderOptions, Columns) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(parse_columns(""), Names{});
  EXPECT_EQ(parse_columns("t,x,y,p,_"), (Names{"t", "x", "y", "p", "_"}));
  EXPECT_EQ(parse_columns("x, t, _, _"), (Names{"x", "t", "_", "_"}));
  for (const char* text : {"t", "x,y,p", "t,x,x", "t,x,", "t;x", "t,x,q", ",", "T,X"}) {
    expect_refused(parse_columns, text, "t,x,y,p,_");
  }
}

TEST(EventReaderOptions, WhatAFormatHasNoUseForIsRefused) {
  const testing::Events events = testing::made_up_events(1, 100, 30, 20, 0, 100);
  const testing::Bytes dat = testing::encoded("dat", 32, 24, events),
                       csv = testing::encoded("csv", 32, 24, events);
  EventReaderOptions chip, unit, columns;
  chip.chip = "dvs128";
  unit.time_unit = TimeUnit::kMicroseconds;
  columns.columns = {"t", "x", "y", "p"};
  for (const auto& [options, words] :
       {std::pair{chip, std::vector<std::string>{"--chip", "data.chip", "AEDAT"}},
        {unit, {"--time-unit", "data.time_unit", "HDF5"}},
        {columns, {"--columns", "data.columns", "npy"}}}) {
    try {
      testing::decode(dat, options);
      ADD_FAILURE() << words[0] << " was passed over";
    } catch (const ConfigError& error) {
      for (const std::string& word : words) {
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
      }
      EXPECT_NE(std::string(error.what()).find("DAT"), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(testing::decode(csv, unit).events, events);
  EXPECT_EQ(testing::decode(csv, columns).events, events);
  EXPECT_THROW(testing::decode(csv, chip), ConfigError);
}

TEST(EventReaderOptions, HalfASizeAndARecordingThatIsNotThereAreRefused) {
  const testing::Bytes packed = testing::encoded("packed", 32, 24, {{10, 3, 4, 1}});
  for (const auto& [width, height] : {std::pair{34, 0}, {0, 34}, {-1, 34}, {65537, 34}, {34, 1 << 30}}) {
    EXPECT_THROW(testing::decode(packed, {"auto", width, height}), ConfigError) << width << " x " << height;
  }
  EXPECT_EQ(testing::decode(packed, {"auto", 65536, 65536}).events.size(), 1u);
  EventReaderOptions fifth;
  fifth.recording = 5;
  EXPECT_THROW(testing::decode(packed, fifth), ConfigError);
  testing::Bytes half = packed;
  half[10] = 0;
  const std::string error = testing::decode(half, {}).error;
  EXPECT_NE(error.find("32 x 0 pixels"), std::string::npos) << error;
}

TEST(EventReaderOptions, ChipsAreNamedAsAnOptionTakesThem) {
  const std::vector<std::string> names = event_chip_names();
  ASSERT_GE(names.size(), 7u);
  EXPECT_EQ(names[0], "dvs128");
  for (const std::string& name : names)
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom::formats
