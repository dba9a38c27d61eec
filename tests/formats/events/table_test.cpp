// What arrays do not say about their events, and arrays that were cut off.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/columns/event_times.h"
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

EventReaderOptions columns(const std::vector<std::string>& names) {
  EventReaderOptions options;
  options.columns = names;
  return options;
}

EventReaderOptions unit(TimeUnit time_unit) {
  EventReaderOptions options;
  options.time_unit = time_unit;
  return options;
}

EventReaderOptions partial() {
  EventReaderOptions options;
  options.partial = true;
  return options;
}

template <class Real>
Bytes reals(const std::vector<double>& numbers) {
  Bytes bytes(numbers.size() * sizeof(Real));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const Real real = static_cast<Real>(numbers[i]);
    std::memcpy(bytes.data() + i * sizeof(Real), &real, sizeof(Real));
  }
  return bytes;
}

void expect_error(const Decoded& decoded, const std::string& part) {
  EXPECT_EQ(decoded.events, Events{});
  EXPECT_NE(decoded.error.find(part), std::string::npos) << decoded.error;
}

TEST(Table, AnOrderThatIsNotSureIsAskedFor) {
  // 40 events of a line, in the order x, y, t, p: each of the first three columns grows.
  std::vector<std::int64_t> numbers;
  Events events;
  for (int i = 0; i < 40; ++i) {
    numbers.insert(numbers.end(), {300 + i, 200 + i, 10 * i, 1});
    events.push_back({10 * i, static_cast<std::uint16_t>(300 + i), static_cast<std::uint16_t>(200 + i), 1});
  }
  const Bytes file = npy_file("'<i8'", "(40, 4)", little_endian(numbers, 8));
  expect_error(decode(file),
               "t,x,y,p or x,y,t,p: give the order (--columns t,x,y,p or another; data.columns)");
  EXPECT_EQ(decode(file, columns({"x", "y", "t", "p"})).events, events);
  EventReaderOptions sensor;
  sensor.width = 346;
  sensor.height = 260;
  EXPECT_EQ(decode(file, sensor).events, events)
      << "the last times are no column and no row of such a sensor";
  // Not even the polarity: 0 and 1 alone.
  expect_error(decode(npy_file("'<i8'", "(2, 4)", little_endian({0, 0, 1, 1, 1, 1, 1, 1}, 8))),
               "give the order");
  // No order at all.
  expect_error(decode(npy_file("'<i8'", "(1, 4)", little_endian({-5, -6, -7, 1}, 8))), "in any usual order");
}

TEST(Table, OrdersAreFoundForRealRecordings) {
  // Some steps back in time are no reason to take another column for the time.
  const Events made_up = testing::made_up_events(3, 3000, 346, 260, 0, 100);
  const std::vector<std::vector<int>> orders = {{0, 1, 2, 3}, {1, 2, 0, 3}, {1, 2, 3, 0}};
  for (const auto& order : orders) {
    std::vector<std::int64_t> numbers;
    for (const events::Event& e : made_up) {
      const std::int64_t values[] = {e.t_us + 70000, e.x, e.y, e.polarity};
      for (const int column : order) numbers.push_back(values[column]);
    }
    EXPECT_EQ(decode(npy_file("'<i8'", "(3000, 4)", little_endian(numbers, 8))).events.size(), 3000u)
        << order[0] << order[1] << order[2] << order[3];
  }
}

TEST(Table, RowsInTheOrderOfPixelsAreNotTakenForAnotherOrder) {
  // 1 to 3 events a pixel, as numpy.argwhere gives them: x grows, y nearly, and t jumps. Times up to 16383
  // might be coordinates; above that they settle the order.
  for (const int last_time : {16000, 60000}) {
    for (const int per_pixel : {1, 2, 3}) {
      for (const std::vector<int>& order : {std::vector<int>{1, 2, 0, 3}, {0, 1, 2, 3}, {0, 2, 1, 3}}) {
        const bool by_rows = order[1] == 2;  // y grows instead
        std::vector<std::int64_t> numbers;
        Events events;
        for (int i = 0; i < 300; ++i) {
          const int pixel = i / per_pixel, outer = pixel / 10, inner = pixel % 10;
          const int x = by_rows ? inner : outer, y = by_rows ? outer : inner;
          const std::int64_t values[] = {(i * 7919LL) % last_time, x, y, i % 2};
          for (std::size_t k = 0; k < 4; ++k) numbers.push_back(values[by_rows && k < 3 ? k : order[k]]);
          events.push_back({values[0], static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                            static_cast<std::uint8_t>(i % 2)});
        }
        const Decoded decoded = decode(npy_file("'<i8'", "(300, 4)", little_endian(numbers, 8)));
        if (last_time > 16384) {
          EXPECT_EQ(decoded.events, events) << per_pixel << decoded.error;
        } else {
          expect_error(decoded,
                       "t,x,y,p or x,y,t,p: give the order (--columns t,x,y,p or another; data.columns), or "
                       "the size of the sensor, which may settle it (--sensor WxH; data.sensor)");
        }
      }
    }
  }
  // A few events outside the sensor settle nothing: frames are counted here, x, y, t, p.
  std::vector<std::int64_t> numbers;
  for (int i = 0; i < 300; ++i) numbers.insert(numbers.end(), {i == 7 ? 64 : i % 60, i % 48, i / 10, i % 2});
  EventReaderOptions sensor;
  sensor.width = 64;
  sensor.height = 48;
  const Bytes frames = npy_file("'<i8'", "(300, 4)", little_endian(numbers, 8));
  expect_error(decode(frames, sensor), "t,x,y,p or x,y,t,p");
}

TEST(Table, FourRowsAreColumnsToo) {
  const Events events = {{70000, 3, 4, 1}, {70001, 2, 5, 0}, {70002, 1, 6, 0}};
  const std::vector<std::int64_t> apart = {70000, 70001, 70002, 3, 2, 1, 4, 5, 6, 1, 0, 0};
  const std::vector<std::int64_t> together = {70000, 3, 4, 1, 70001, 2, 5, 0, 70002, 1, 6, 0};
  EXPECT_EQ(decode(npy_file("'<i8'", "(4, 3)", little_endian(apart, 8))).events, events);
  EXPECT_EQ(decode(npy_file("'<i8'", "(4, 3)", little_endian(together, 8), true)).events, events);
  EXPECT_EQ(decode(npy_file("'<i8'", "(3, 4)", little_endian(together, 8))).events, events);
  EXPECT_EQ(decode(npy_file("'<i8'", "(3, 4)", little_endian(apart, 8), true)).events, events);
  EXPECT_EQ(decode(npy_file("'<i8'", "(4, 1)", little_endian({70000, 3, 4, 1}, 8))).events,
            (Events{{70000, 3, 4, 1}}));
  EXPECT_EQ(decode(npy_file("'<i8'", "(4, 0)", {})).events, Events{});
  const Bytes square =
      npy_file("'<i8'", "(4, 4)", little_endian(together, 8) + little_endian({70003, 1, 6, 0}, 8));
  expect_error(decode(square), "of shape [4, 4] has its events in rows or in columns");
  EXPECT_EQ(decode(square, columns({"t", "x", "y", "p"})).events.size(), 4u);
  // Other numbers of columns, where they are named.
  const Bytes five = npy_file("'<i8'", "(2, 5)", little_endian({9, 7, 3, 4, 1, 9, 8, 2, 5, 0}, 8));
  expect_error(decode(five), "an array of shape [2, 5]");
  EXPECT_EQ(decode(five, columns({"_", "t", "x", "y", "p"})).events, (Events{{7, 3, 4, 1}, {8, 2, 5, 0}}));
  const Bytes two = npy_file("'<i8'", "(2, 3)", little_endian({7, 8, 9, 3, 2, 1}, 8));
  EXPECT_EQ(decode(two, columns({"t", "x"})).events, (Events{{7, 3, 0, 1}, {8, 2, 0, 1}, {9, 1, 0, 1}}));
  EXPECT_EQ(
      decode(npy_file("[('a', '<i4'), ('b', '<i4')]", "(1,)", little_endian({7, 3}, 4)), columns({"t", "x"}))
          .events,
      (Events{{7, 3, 0, 1}}))
      << "fields by their place";
  EXPECT_THROW(decode(five, columns({"t", "x", "y", "t", "_"})), ConfigError);
}

TEST(Table, AnOrderByTheValuesIsSaid) {
  const auto order = [](const Bytes& file, const EventReaderOptions& options = {}) {
    return open_events(memory_source(file.data(), file.size(), "memory"), options)->columns_by_value();
  };
  const Bytes npy = npy_file("'<i8'", "(1, 4)", little_endian({3, 4, 70000, 1}, 8));
  EXPECT_EQ(order(npy), "x,y,t,p");
  EXPECT_EQ(order(npy, columns({"x", "y", "t", "p"})), "");
  EXPECT_EQ(order(bytes_of("3,4,70000,1\n")), "x,y,t,p");
  EXPECT_EQ(order(bytes_of("x,y,t,p\n3,4,70000,1\n")), "");
  EXPECT_EQ(order(testing::encoded("npy", 64, 64, {{1, 2, 3, 1}})), "") << "fields have names";
}

TEST(Table, StrayEventsDoNotHideTheOrder) {
  // 300 events in the order x, y, t, p, of which `strays` lie outside; as npy and as text.
  const auto read = [](int strays, const EventReaderOptions& options, bool text) {
    std::vector<std::int64_t> numbers;
    std::string lines;
    for (int i = 0; i < 300; ++i) {
      const std::int64_t x = i % 100 == 50 && i / 100 < strays ? 700 + i : i % 64, y = i % 48;
      numbers.insert(numbers.end(), {x, y, 5000 + i, i % 2});
      lines += fmt::format("{},{},{},{}\n", x, y, 5000 + i, i % 2);
    }
    return text ? decode(bytes_of(lines), options)
                : decode(npy_file("'<i8'", "(300, 4)", little_endian(numbers, 8)), options);
  };
  for (const bool text : {false, true}) {
    EventReaderOptions options;
    options.width = 64;
    options.height = 48;
    EXPECT_EQ(read(0, options, text).events.size(), 300u);
    expect_error(read(2, options, text),
                 "as x,y,t,p, 2 of the first 300 events lie outside a sensor of 64 x 48; --drop-outside");
    options.drop_outside = true;
    EXPECT_EQ(read(2, options, text).events.size(), 298u);
    EXPECT_EQ(read(2, options, text).events[1], (events::Event{5001, 1, 1, 1}));
    expect_error(read(3, options, text),
                 "as x,y,t,p, 3 of the first 300 events lie outside a sensor of 64 x 48)");
  }
}

TEST(Table, FloatingPointTimesAreSecondsWhereTheyAreFine) {
  const Events events = {{100, 1, 2, 1}, {250001, 3, 4, 0}};
  const std::vector<double> rows = {0.0001, 1, 2, 1, 0.250001, 3, 4, -1};
  EXPECT_EQ(decode(npy_file("'<f8'", "(2, 4)", reals<double>(rows))).events, events);
  EXPECT_EQ(decode(npy_file("'<f4'", "(2, 4)", reals<float>(rows))).events, events);
  const std::string fields = "[('t', '<f8'), ('x', '<i2')]";
  const auto one = [&](double time, const EventReaderOptions& options = {}) {
    return decode(npy_file(fields, "(1,)", reals<double>({time}) + little_endian({7}, 2)), options);
  };
  EXPECT_EQ(one(0.000123).events, (Events{{123, 7, 0, 1}}));
  EXPECT_EQ(one(1506119776.123456).events, (Events{{1506119776123456, 7, 0, 1}}));
  for (const double unsure : {0.5, 12.0, 1e6, 12.345})
    expect_error(one(unsure), "unit is uncertain: give it (--time-unit");
  EXPECT_EQ(one(12.345, unit(TimeUnit::kSeconds)).events[0].t_us, 12345000);
  EXPECT_EQ(one(12.345, unit(TimeUnit::kMilliseconds)).events[0].t_us, 12345);
  EXPECT_EQ(one(12.345, unit(TimeUnit::kMicroseconds)).events[0].t_us, 12);
  EXPECT_EQ(one(12345, unit(TimeUnit::kNanoseconds)).events[0].t_us, 12);
  expect_error(one(std::nan(""), unit(TimeUnit::kSeconds)), "a time of nan s");
  expect_error(one(1e300, unit(TimeUnit::kSeconds)), "64 bits");
  // Milliseconds in 32 bits are no finer than their rounding.
  expect_error(decode(npy_file("[('t', '<f4'), ('x', '<i2')]", "(1,)",
                               reals<float>({12345.678}) + little_endian({7}, 2))),
               "unit is uncertain");
  // Half precision, as SHD has.
  EXPECT_EQ(
      decode(npy_file("[('t', '<f2'), ('x', '<i2')]", "(1,)", Bytes{0x00, 0x14} + little_endian({7}, 2)))
          .events,
      (Events{{976, 7, 0, 1}}));
  expect_error(
      decode(npy_file("'<f8'", "(1, 4)", reals<double>({0.0001, 1.5, 2, 1})), columns({"t", "x", "y", "p"})),
      "x is 1.5, which is not a whole number");
}

TEST(Table, TheUnitIsInTheNameOrTheType) {
  const auto time = [](const std::string& field, std::int64_t number,
                       const EventReaderOptions& options = {}) {
    const Decoded decoded = decode(
        npy_file("[" + field + ", ('x', '<i2')]", "(1,)", little_endian({number}, 8) + little_endian({7}, 2)),
        options);
    return decoded.events.empty() ? -1 : decoded.events[0].t_us;
  };
  EXPECT_EQ(time("('t', '<i8')", 5000), 5000);
  EXPECT_EQ(time("('t_ns', '<i8')", 5000), 5);
  EXPECT_EQ(time("('timestamp_ms', '<i8')", 5), 5000);
  EXPECT_EQ(time("('t', '<m8[ns]')", 5000), 5);
  EXPECT_EQ(time("('t', '<M8[us]')", 5000), 5000);
  EXPECT_EQ(time("('t', '<m8[D]')", 5000), -1);
  EXPECT_EQ(time("('t_ns', '<i8')", 5000, unit(TimeUnit::kMicroseconds)), 5000);
  EXPECT_EQ(time("('t', '<i8')", -1, unit(TimeUnit::kNanoseconds)), -1) << "down";
  EXPECT_EQ(time("('t', '<u8')", -1), -1) << "2^64 - 1 is an error";
  expect_error(decode(npy_file("[('t', '<u8'), ('x', '<i2')]", "(1,)", little_endian({-1, 7}, 8))),
               "a time of 18446744073709551615 us");
  expect_error(decode(npy_file("[('t', '<i8'), ('x', '<i2')]", "(1,)", little_endian({INT64_MAX, 7}, 8)),
                      unit(TimeUnit::kSeconds)),
               "a time of 9223372036854775807 s");
}

TEST(Table, MinusOneIsOffInUnsignedNumbersToo) {
  const std::int64_t wrapped[] = {255, 65535, 4294967295, -1};
  const char* types[] = {"|u1", "<u2", "<u4", "<u8"};
  for (int i = 0; i < 4; ++i) {
    const std::string descr = fmt::format("[('t', '<i8'), ('x', '<i2'), ('p', '{}')]", types[i]);
    EXPECT_EQ(
        decode(npy_file(descr, "(1,)",
                        little_endian({5}, 8) + little_endian({7}, 2) + little_endian({wrapped[i]}, 1 << i)))
            .events,
        (Events{{5, 7, 0, 0}}))
        << types[i];
  }
  expect_error(
      decode(npy_file("[('t', '<i8'), ('x', '<i8'), ('p', '<i8')]", "(1,)", little_endian({5, 7, 255}, 8))),
      "a polarity of 255");
  EXPECT_EQ(decode(npy_file("'<u4'", "(1, 4)", little_endian({70000, 3, 4, 4294967295}, 4))).events,
            (Events{{70000, 3, 4, 0}}));
}

TEST(Table, ZeroAndTheLargestNumberMayBeAMask) {
  const char* types[] = {"|u1", "<u2", "<u4", "<u8"};
  for (int i = 0; i < 4; ++i) {
    const std::string descr = fmt::format("[('t', '<i8'), ('x', '<i2'), ('p', '{}')]", types[i]);
    const auto read = [&](const std::vector<std::int64_t>& polarities, std::size_t capacity = 100) {
      Bytes rows;
      for (std::size_t row = 0; row < polarities.size(); ++row) {
        rows = std::move(rows) + little_endian({static_cast<std::int64_t>(row)}, 8) + little_endian({7}, 2) +
               little_endian({polarities[row]}, 1 << i);
      }
      return decode(npy_file(descr, fmt::format("({},)", polarities.size()), rows), {}, capacity);
    };
    const std::string largest = i == 0   ? "255"
                                : i == 1 ? "65535"
                                : i == 2 ? "4294967295"
                                         : "18446744073709551615";
    for (const std::vector<std::int64_t>& mask :
         {std::vector<std::int64_t>{-1, 0, -1}, {1, -1, -1, 0}, {0, -1, 1}}) {
      for (const std::size_t capacity : {1, 2, 100}) {
        const Decoded decoded = read(mask, capacity);
        EXPECT_NE(decoded.error.find("polarities of 0 and of " + largest), std::string::npos)
            << decoded.error;
        EXPECT_NE(decoded.error.find("--columns t,x,y,_; data.columns"), std::string::npos) << decoded.error;
        EXPECT_LT(decoded.events.size(), mask.size());
      }
    }
    const Decoded sure = read({-1, 1, -1});
    ASSERT_EQ(sure.events.size(), 3u) << sure.error;
    EXPECT_EQ(sure.events[0].polarity, 0);
    EXPECT_EQ(sure.events[1].polarity, 1);
    EXPECT_EQ(read({0, 1}).events.size(), 2u);
  }
  EXPECT_EQ(decode(npy_file("'<u8'", "(2, 4)", little_endian({70000, 3, 4, -1, 70001, 3, 4, 1}, 8))).events,
            (Events{{70000, 3, 4, 0}, {70001, 3, 4, 1}}));
  expect_error(decode(npy_file("[('t', '<i8'), ('x', '<i2'), ('p', '|i1')]", "(1,)",
                               little_endian({5}, 8) + little_endian({7}, 2) + little_endian({2}, 1))),
               "a polarity of 2;");
}

TEST(Table, EventsOutsideAreLeftOutWhereThatIsAskedFor) {
  EventReaderOptions options;
  options.width = options.height = 10;
  const Bytes file = npy_file("[('t', '<i8'), ('x', '<i8'), ('y', '<i8')]", "(4,)",
                              little_endian({1, 10, 10, 2, 3, 4, 3, -1, 5, 4, 9, 9}, 8));
  expect_error(decode(file, options),
               "outside a sensor of 10 x 10 pixels, whose columns and rows count from 0");
  options.drop_outside = true;
  for (const std::size_t capacity : {1, 3, 100}) {
    EXPECT_EQ(decode(file, options, capacity).events, (Events{{2, 3, 4, 1}, {4, 9, 9, 1}})) << capacity;
  }
  const auto reader = open_events(memory_source(file.data(), file.size(), "memory"), options);
  Events piece(10);
  while (reader->read(piece.data(), piece.size()) > 0) {
  }
  EXPECT_EQ(reader->dropped_events(), 2);
}

struct CutReading {
  Events events;
  std::int64_t unread = 0;
};

CutReading read_cut(const Bytes& bytes, const std::string& name) {
  const testing::TemporaryFolder folder;
  const auto reader = open_events(folder.write(bytes, name), partial());
  CutReading reading;
  Events piece(7);
  while (const std::size_t count = reader->read(piece.data(), piece.size())) {
    reading.events.insert(reading.events.end(), piece.begin(),
                          piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
  reading.unread = reader->unread_bytes();
  return reading;
}

TEST(Table, ACutArrayIsReadUpToTheCut) {
  const Events events = testing::made_up_events(21, 100, 64, 64, 70000, 100);
  const Bytes rows = testing::encoded("npy", 64, 64, events);
  const std::size_t header = rows.size() - 100 * 13;
  for (const std::size_t length :
       {header, header + 1, header + 13, header + 700, rows.size() - 1, rows.size()}) {
    const CutReading reading =
        read_cut(Bytes(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(length)), "a.npy");
    EXPECT_EQ(reading.events,
              Events(events.begin(), events.begin() + static_cast<std::ptrdiff_t>((length - header) / 13)));
    EXPECT_EQ(reading.unread, static_cast<std::int64_t>((length - header) % 13)) << length;
  }
  EXPECT_NE(decode(Bytes(rows.begin(), rows.end() - 1)).error.find("--partial"), std::string::npos);
  // Columns one after the other: whole events are as many as the last column has.
  std::vector<std::int64_t> numbers;
  for (const events::Event& e : events) numbers.push_back(e.t_us);
  for (const events::Event& e : events) numbers.push_back(e.x);
  for (const events::Event& e : events) numbers.push_back(e.y);
  for (const events::Event& e : events) numbers.push_back(e.polarity);
  const Bytes apart = npy_file("'<i4'", "(4, 100)", little_endian(numbers, 4));
  CutReading reading = read_cut(Bytes(apart.begin(), apart.end() - 41), "b.npy");
  EXPECT_EQ(reading.events, Events(events.begin(), events.begin() + 89));
  EXPECT_EQ(reading.unread, 11 * 3 * 4 + 3);
  reading = read_cut(Bytes(apart.begin(), apart.end() - 500), "b.npy");
  EXPECT_EQ(reading.events, Events{});
}

TEST(Table, CutMembersAndCompressedTextAreReadUpToTheCut) {
  const Events events = testing::made_up_events(22, 1000, 64, 64, 70000, 100);
  const Bytes rows = testing::encoded("npy", 64, 64, events);
  // A member that is shorter than its header says, of a whole archive.
  const Bytes npz = archive_of({{"events.npy", Bytes(rows.begin(), rows.end() - 20)}}, "zip");
  CutReading reading = read_cut(npz, "a.npz");
  EXPECT_EQ(reading.events, Events(events.begin(), events.end() - 2));
  EXPECT_EQ(reading.unread, 6);
  // Of compressed files up to 64 KiB before the cut are not to be had from the library.
  const Events many = testing::made_up_events(23, 40000, 64, 64, 70000, 100);
  for (const char* format : {"csv", "npy"}) {
    const Bytes whole = testing::encoded(format, 64, 64, many), gzipped = testing::gzipped(whole);
    const Bytes cut(gzipped.begin(), gzipped.begin() + static_cast<std::ptrdiff_t>(gzipped.size() / 2));
    const testing::TemporaryFolder folder;
    EXPECT_THROW(read_events(folder.write(cut)), Error) << format;
    reading = read_cut(cut, "a.gz");
    EXPECT_GT(reading.events.size(), 10000u) << format;
    EXPECT_LT(reading.events.size(), 30000u) << format;
    EXPECT_EQ(reading.events,
              Events(many.begin(), many.begin() + static_cast<std::ptrdiff_t>(reading.events.size())));
  }
}

TEST(Table, NamesOfTheField) {
  const auto places = [](const std::vector<std::string>& names) {
    const auto found = columns_by_name(names);
    return found ? order_text(*found) : "";
  };
  EXPECT_EQ(places({"t", "x", "y", "p"}), "t,x,y,p") << "tonic";
  EXPECT_EQ(places({"x", "y", "p", "t"}), "x,y,p,t") << "EventCD of Metavision";
  EXPECT_EQ(places({"timestamp", "x", "y", "polarity"}), "t,x,y,p");
  EXPECT_EQ(places({"ts", "x", "y", "pol"}), "t,x,y,p");
  EXPECT_EQ(places({"x_pos", "y_pos", "pol", "Timestamp [us]"}), "x,y,p,t");
  EXPECT_EQ(places({"time_s", "col", "row", "sign"}), "t,x,y,p");
  EXPECT_EQ(places({"t", "time", "x", "y"}), "") << "which of the two";
  EXPECT_EQ(places({"x", "y", "p"}), "");
}

TEST(Table, FieldsOfUnknownNamesAreAskedAbout) {
  const auto file = [](const char* y, const char* p) {
    return npy_file(fmt::format("[('t', '<i8'), ('x', '<i8'), ('{}', '<i8'), ('{}', '<i8')]", y, p), "(1,)",
                    little_endian({7, 3, 4, 0}, 8));
  };
  expect_error(decode(file("y_px", "p")),
               "no column for y, but there are columns whose names are not known: y_px");
  expect_error(decode(file("y", "q")), "--columns");
  expect_error(decode(file("y", "ts")), "more than one column of one kind: t,ts");
  EXPECT_EQ(decode(file("y_px", "q"), columns({"t", "x", "y", "p"})).events, (Events{{7, 3, 4, 0}}));
}

TEST(Table, ArraysOfUnknownNamesAreAskedAbout) {
  const Bytes column = npy_file("'<i8'", "(2,)", little_endian({7, 8}, 8));
  const Bytes label = npy_file("'<i8'", "(1,)", little_endian({7}, 8));
  const auto npz = [&](const std::string& name, const Bytes& more) {
    const testing::TemporaryFolder folder;
    const std::string path = folder.write(
        archive_of({{"t.npy", column}, {"x.npy", column}, {name + ".npy", more}}, "zip"), "a.npz");
    try {
      return std::to_string(read_events(path).events.size());
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_NE(
      npz("y_px", column).find("no column for y, p, but there are columns whose names are not known: y_px"),
      std::string::npos)
      << npz("y_px", column);
  EXPECT_NE(npz("ts", column).find("more than one column of one kind: t,ts"), std::string::npos);
  EXPECT_EQ(npz("label", label), "2") << "no column";
  EXPECT_EQ(npz("label", bytes_of("no array")), "2");
}

TEST(TimeUnits, AreFoundInNames) {
  EXPECT_EQ(time_unit_in_name("t_us"), TimeUnit::kMicroseconds);
  EXPECT_EQ(time_unit_in_name("timestamp (ms)"), TimeUnit::kMilliseconds);
  EXPECT_EQ(time_unit_in_name("Time[NS]"), TimeUnit::kNanoseconds);
  EXPECT_EQ(time_unit_in_name("time_s"), TimeUnit::kSeconds);
  for (const char* none : {"t", "ts", "timestamps", "us", "_us", "t_", "", "t_offset"}) {
    EXPECT_EQ(time_unit_in_name(none), TimeUnit::kFile) << none;
  }
}

}  // namespace
}  // namespace spikeloom::formats
