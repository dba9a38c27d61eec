// .npy and .npz.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

using testing::archive_of;
using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;
using testing::little_endian;
using testing::npy_file;
using testing::operator+;

const Events kEvents = {{1000000, 1, 2, 1}, {1000007, 300, 4, 0}};

Bytes big_endian(std::int64_t number, int size) {
  Bytes bytes = little_endian({number}, size);
  return {bytes.rbegin(), bytes.rend()};
}

TEST(Npy, FieldsOfAnyOrderWidthAndByteOrderAreFoundByName) {
  Bytes data;
  for (const events::Event& e : kEvents) {
    data = std::move(data) + little_endian({e.polarity}, 1) + Bytes{9, 9, 9} + big_endian(e.t_us, 8) +
           little_endian({e.y}, 4) + Bytes(8, 7) + big_endian(e.x, 2);
  }
  const Decoded decoded =
      decode(npy_file("[('p', '|b1'), ('', '|V3'), ('ts', '>i8'), ('y', '<u4'), ('more', '<f4', (2,)), "
                      "(('column', 'x'), '>u2')]",
                      "(2,)", data));
  EXPECT_EQ(decoded.error, "");
  EXPECT_EQ(decoded.format, "npy");
  EXPECT_EQ(decoded.events, kEvents);
  // Signed, with -1 for off.
  Bytes with_sign;
  for (const events::Event& e : kEvents) {
    with_sign =
        with_sign + little_endian({e.t_us}, 4) + little_endian({e.x, e.y, e.polarity == 1 ? 1 : -1}, 2);
  }
  EXPECT_EQ(
      decode(npy_file("[('t', '<u4'), ('x', '<i2'), ('y', '<i2'), ('p', '<i2')]", "(2,)", with_sign)).events,
      kEvents);
}

TEST(Npy, PlainArraysOfFourColumnsInAnyUsualOrder) {
  const auto plain = [](const std::vector<int>& order, bool fortran) {
    std::vector<std::int64_t> numbers;
    const auto add = [&](const events::Event& e, int column) {
      const std::int64_t values[] = {e.t_us, e.x, e.y, e.polarity};
      numbers.push_back(values[column]);
    };
    if (fortran) {
      for (const int column : order) {
        for (const events::Event& e : kEvents) add(e, column);
      }
    } else {
      for (const events::Event& e : kEvents) {
        for (const int column : order) add(e, column);
      }
    }
    return decode(npy_file("'<i8'", "(2, 4)", little_endian(numbers, 8), fortran));
  };
  for (const bool fortran : {false, true}) {
    EXPECT_EQ(plain({0, 1, 2, 3}, fortran).error, "");
    EXPECT_EQ(plain({0, 1, 2, 3}, fortran).events, kEvents);
    EXPECT_EQ(plain({1, 2, 0, 3}, fortran).events, kEvents);
    EXPECT_EQ(plain({1, 2, 3, 0}, fortran).events, kEvents);
    EXPECT_NE(plain({3, 1, 2, 0}, fortran).error, "") << "not a usual one";
    EXPECT_NE(plain({3, 3, 1, 0}, fortran).error, "");
  }
  EXPECT_EQ(decode(npy_file("'<i8'", "(0, 4)", {})).events, Events{});
}

TEST(Npy, WrongTypesShapesAndValuesAreRefused) {
  const Bytes row(64, 0);
  const char kGood[] = "[('t', '<i8'), ('x', '<i2'), ('y', '<i2'), ('p', '|u1')]";
  EXPECT_EQ(decode(npy_file(kGood, "(1,)", row)).error, "");
  for (const char* descr :
       {"[('t', '<f8'), ('x', '<i2'), ('y', '<i2'), ('p', '|u1')]",
        "[('t', '<i8'), ('y', '<i2'), ('p', '|u1')]",
        "[('t', '<i8'), ('x', '<i2'), ('xs', '<i2'), ('p', '|u1')]", "[('t', '<i3'), ('x', '<i2')]", "'|O'",
        "'<i8'", "[('t', '<i99999999999'), ('x', '<i2')]", "[('t', '<i8', (70000,)), ('x', '<i2')]", "[]",
        "[('t',)]", "7", "[('t', '<i8'), ('x', [('a', '<i2')])]", "'<f8'", "''", "'<'", "{'t': 1}"}) {
    EXPECT_NE(decode(npy_file(descr, "(1,)", row)).error, "") << descr;
  }
  for (const char* shape : {"(1, 1)", "(-1,)", "(9223372036854775807,)", "(99999999999999999999,)", "1",
                            "('a',)", "(4294967296, 4294967296)"}) {
    EXPECT_NE(decode(npy_file(kGood, shape, row)).error, "") << shape;
  }
  EXPECT_NE(decode(npy_file("'<f4'", "(4, 4)", row)).error, "");
  const auto with_polarity = little_endian({0, 0, 0, 3}, 4);
  EXPECT_NE(
      decode(npy_file("[('t', '<i4'), ('x', '<i4'), ('y', '<i4'), ('p', '<i4')]", "(1,)", with_polarity))
          .error,
      "");
}

TEST(Npy, ASizeThatTheFileDoesNotJustifyAsksForNoMemory) {
  testing::reset_largest_allocation();
  const Decoded decoded = decode(
      npy_file("[('t', '<i8'), ('x', '<i8')]", "(500000000000000000,)", little_endian({1, 2, 3, 4}, 8)));
  EXPECT_EQ(decoded.events, (Events{{1, 2, 0, 1}, {3, 4, 0, 1}}));
  EXPECT_NE(decoded.error, "");
  EXPECT_LT(testing::largest_allocation(), std::size_t{1} << 21);
}

TEST(Npy, WhatIsWrittenIsReadInPiecesToo) {
  const Events events = testing::made_up_events(11, 50000, 640, 480, 12345678901, 100);
  const Bytes bytes = testing::encoded("npy", 640, 480, events);
  EXPECT_EQ(decode(bytes).events, events);
  EXPECT_EQ(testing::decode_unevenly(bytes, {}).events, events);
}

TEST(Npy, CutsAndDamageAreSurvived) {
  const Bytes good = testing::encoded("npy", 64, 64, testing::made_up_events(12, 20, 64, 64, 0, 100));
  const auto reader = [](const std::string& path) { read_events(path, {"npy"}); };
  testing::expect_truncations_refused(reader, good);
  testing::expect_mutations_survived(reader, good, 2000);
}

TEST(Npy, EqualsTheEvt3RecordingItWasMadeOf) {
  SPIKELOOM_REAL_FILE(npy, "SPIKELOOM_EVENT_FILES", "evt/evt3_sample.npy");
  SPIKELOOM_REAL_FILE(raw, "SPIKELOOM_EVENT_FILES", "evt/evt3_sample.raw");
  const Events events = read_events(npy).events;
  EXPECT_EQ(events.size(), 219596u);
  EXPECT_TRUE(events == read_events(raw, {"evt3-expelliarmus"}).events)
      << "its times are those of that decoder";
}

class Npz : public ::testing::TestWithParam<const char*> {
 protected:
  Bytes npz(const std::vector<std::pair<std::string, Bytes>>& files) { return archive_of(files, GetParam()); }
  Events read(const Bytes& bytes) { return read_events(folder_.write(bytes)).events; }
  testing::TemporaryFolder folder_;
};
INSTANTIATE_TEST_SUITE_P(All, Npz, ::testing::Values("zip", "zip-stored"));

TEST_P(Npz, AnArrayEachOrOneOfAll) {
  const Events events = testing::made_up_events(13, 50000, 640, 480, 0, 100);
  std::vector<std::int64_t> columns[4];
  for (const events::Event& e : events) {
    const std::int64_t values[] = {e.t_us, e.x, e.y, e.polarity};
    for (int i = 0; i < 4; ++i) columns[i].push_back(values[i]);
  }
  const std::string shape = fmt::format("({},)", events.size());
  const Bytes each = npz({{"p.npy", npy_file("'|b1'", shape, little_endian(columns[3], 1))},
                          {"label.npy", npy_file("'<i8'", "()", little_endian({3}, 8))},
                          {"x.npy", npy_file("'<i2'", shape, little_endian(columns[1], 2))},
                          {"t.npy", npy_file("'<i8'", shape, little_endian(columns[0], 8))},
                          {"y.npy", npy_file("'<i2'", shape, little_endian(columns[2], 2))}});
  EXPECT_EQ(read(each), events);
  EXPECT_STREQ(open_events(folder_.write(each))->format(), "npz");
  const Bytes whole = testing::encoded("npy", 640, 480, events);
  EXPECT_EQ(read(npz({{"arr_0.npy", whole}})), events);
  EXPECT_EQ(read(npz({{"labels.npy", npy_file("'<i8'", "(0,)", {})}, {"events.npy", whole}})), events);
}

TEST_P(Npz, ColumnsThatDoNotFitAreRefused) {
  const Bytes two = npy_file("'<i8'", "(2,)", little_endian({1, 2}, 8));
  const Bytes three = npy_file("'<i8'", "(3,)", little_endian({1, 2, 3}, 8));
  EXPECT_EQ(read(npz({{"t.npy", two}, {"x.npy", two}})).size(), 2u);
  EXPECT_THROW(read(npz({{"t.npy", two}, {"x.npy", three}})), FormatError);
  EXPECT_THROW(read(npz({{"a.npy", two}, {"b.npy", three}})), FormatError);
  EXPECT_THROW(read(npz({{"t.npy", two}, {"x.npy", npy_file("'<f8'", "(2,)", little_endian({1, 2}, 8))}})),
               FormatError);
  EXPECT_THROW(read(npz({{"t.npy", two}, {"x.npy", npy_file("'<i8'", "(2, 1)", little_endian({1, 2}, 8))}})),
               FormatError);
  EXPECT_THROW(read(npz({{"t.npy", two}, {"x.npy", npy_file("'<i8'", "(2,)", little_endian({1}, 8))}})),
               FormatError);
}

/// A .npy array of texts of up to `length` letters, as NumPy has them.
Bytes text_array(const std::vector<std::string>& texts, int length, bool wide, bool big_endian = false) {
  Bytes letters;
  for (std::string text : texts) {
    text.resize(static_cast<std::size_t>(length), '\0');
    for (const char letter : text) {
      Bytes code = little_endian({letter}, wide ? 4 : 1);
      if (big_endian) std::reverse(code.begin(), code.end());
      letters = letters + code;
    }
  }
  const char* order = !wide ? "|" : big_endian ? ">" : "<";
  const std::string shape = texts.size() == 1 ? "()" : fmt::format("({},)", texts.size());
  return npy_file(fmt::format("'{}{}{}'", order, wide ? "U" : "S", length), shape, letters);
}

TEST_P(Npz, NamesBesideTheArrayAreUsed) {
  // Rows of p, t, y, x: no usual order, and all small enough to be any.
  const Bytes rows = npy_file("'<i8'", "(3, 4)", little_endian({1, 5, 7, 9, 0, 6, 8, 11, 1, 7, 8, 12}, 8));
  const Events events = {{5, 9, 7, 1}, {6, 11, 8, 0}, {7, 12, 8, 1}};
  EXPECT_THROW(read(npz({{"events.npy", rows}})), FormatError);
  EXPECT_EQ(read(npz({{"columns.npy", text_array({"p", "t", "y", "x"}, 1, true)}, {"events.npy", rows}})),
            events);
  EXPECT_EQ(read(npz({{"arr_0.npy", rows}, {"names.npy", text_array({"p", "t", "y", "x"}, 2, true, true)}})),
            events)
      << "the only array of numbers";
  EXPECT_EQ(read(npz({{"events.npy", rows}, {"order.npy", text_array({"p,t,y,x"}, 7, false)}})), events);
  EXPECT_EQ(read(npz({{"events.npy", rows}, {"note.npy", text_array({"the order is p t y x"}, 20, true)}})),
            events);
  Events in_ms = events;
  for (events::Event& event : in_ms) event.t_us *= 1000;
  EXPECT_EQ(read(npz({{"events.npy", rows}, {"columns.npy", text_array({"p", "t_ms", "y", "x"}, 4, true)}})),
            in_ms);
}

TEST_P(Npz, NamesBesideTheArrayThatSettleNothingAreAskedAbout) {
  const Bytes rows = npy_file("'<i8'", "(2, 4)", little_endian({70000, 5, 7, 1, 70001, 6, 8, 0}, 8));
  const Bytes txyp = text_array({"t", "x", "y", "p"}, 1, true),
              tyxp = text_array({"t", "y", "x", "p"}, 1, true);
  const auto why = [&](const std::vector<std::pair<std::string, Bytes>>& files) {
    try {
      read(npz(files));
    } catch (const FormatError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(why({{"events.npy", rows}, {"label.npy", text_array({"car"}, 3, true)}}), "")
      << "of other things";
  EXPECT_NE(why({{"events.npy", rows}, {"columns.npy", text_array({"t", "a", "b", "p"}, 1, true)}})
                .find("'columns' beside the array may name its columns"),
            std::string::npos);
  EXPECT_NE(why({{"events.npy", rows}, {"columns.npy", txyp}, {"names.npy", tyxp}}), "") << "two orders";
  EXPECT_NE(why({{"events.npy", rows}, {"columns.npy", npy_file("'|O'", "(4,)", Bytes(20))}}), "")
      << "a pickle";
  const Bytes fields = testing::encoded("npy", 64, 64, {{7, 1, 2, 1}});
  EXPECT_EQ(why({{"events.npy", fields}, {"columns.npy", txyp}}), "");
  EXPECT_NE(why({{"events.npy", fields}, {"columns.npy", tyxp}}).find("named t,y,x,p"), std::string::npos);
  EventReaderOptions options;
  options.columns = {"t", "y", "x", "p"};
  const std::string path =
      folder_.write(npz({{"events.npy", rows}, {"columns.npy", npy_file("'|O'", "(4,)", Bytes(20))}}));
  EXPECT_EQ(read_events(path, options).events[0].x, 7) << "what is given takes precedence";
}

TEST_P(Npz, CutsAndDamageAreSurvived) {
  const Bytes good =
      npz({{"events.npy", testing::encoded("npy", 64, 64, testing::made_up_events(14, 20, 64, 64, 0, 100))}});
  testing::expect_mutations_survived([](const std::string& path) { read_events(path, {"npz"}); }, good, 300);
  const Bytes rows = npy_file("'<i8'", "(2, 4)", little_endian({70000, 5, 7, 1, 70001, 6, 8, 0}, 8));
  testing::expect_mutations_survived(
      [](const std::string& path) { read_events(path, {"npz"}); },
      npz({{"a.npy", rows}, {"columns.npy", text_array({"t", "x", "y", "p"}, 1, true)}}), 300);
  // Also where all arrays are whole and only the directory behind them is cut.
  for (std::size_t length = 1; length < good.size(); length += 7) {
    EXPECT_THROW(read(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length))), Error)
        << length;
  }
}

}  // namespace
}  // namespace spikeloom::formats
