#include <gtest/gtest.h>

#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;

Decoded csv(const std::string& text, const EventReaderOptions& options = {}) {
  return decode(bytes_of(text), options);
}

const Events kCsvEvents = {{10, 1, 2, 1}, {20, 3, 4, 0}, {30, 300, 200, 1}};

TEST(Csv, ColumnsFollowTheFirstLine) {
  EXPECT_EQ(csv("t,x,y,p\n10,1,2,1\n20,3,4,0\n30,300,200,1\n").events, kCsvEvents);
  EXPECT_EQ(csv("p,y,x,t\n1,2,1,10\n0,4,3,20\n1,200,300,30\n").events, kCsvEvents);
  EXPECT_EQ(
      csv("\"X\" ; Y;more; Timestamp ;polarity\r\n1;2;?;10;1\r\n3;4;;20;-1\r\n300;200;!;30;True\r\n").events,
      kCsvEvents);
  EXPECT_EQ(csv("x y t p\n 1  2 10 1\n3 4 20.0 0\n\n# a comment\n300 200 30 1").events, kCsvEvents);
  EXPECT_EQ(csv("t\tx\ty\tp\n10\t1\t2\t1\n").events, Events(kCsvEvents.begin(), kCsvEvents.begin() + 1));
  EXPECT_EQ(csv("\xef\xbb\xbft,x,y,p\n10,1,2,1\n").events.size(), 1u);
  EXPECT_EQ(csv("t,x,p\n5,6,1\n").events, (Events{{5, 6, 0, 1}})) << "one row, as audio has";
  EXPECT_EQ(csv("t,x,y,p\n").events, Events{});
  EXPECT_EQ(csv("t,x,y,p\n").format, "csv");
}

TEST(Csv, ColumnsWithoutNamesAreReadWhereOneOrderIsPossible) {
  EXPECT_EQ(csv("300,2,1000000,1\n3,4,2000000,0\n").events,
            (Events{{1000000, 300, 2, 1}, {2000000, 3, 4, 0}}));
  EXPECT_EQ(csv("%geometry:640,480\n300,2,1,1000000\n3,4,0,2000000\n").events,
            (Events{{1000000, 300, 2, 1}, {2000000, 3, 4, 0}}));
  EXPECT_NE(csv("1,2,3,4\n5,6,7,8\n").error, "") << "no polarity";
  // Nothing says which column that grows is the time.
  for (const char* text : {"10,1,2,1\n20,3,4,0\n30,300,200,1\n", "1,2,10,1\n3,4,20,0\n"}) {
    const Decoded decoded = csv(text);
    EXPECT_EQ(decoded.events, Events{});
    EXPECT_NE(decoded.error.find("t,x,y,p or x,y,t,p: give the order (--columns"), std::string::npos)
        << decoded.error;
  }
  // But its size does, or that of the sensor.
  EXPECT_EQ(csv("%geometry:346,260\n400,1,2,1\n500,3,4,0\n").events,
            (Events{{400, 1, 2, 1}, {500, 3, 4, 0}}));
}

TEST(Csv, ColumnsAreAsGiven) {
  const auto columns = [](const std::vector<std::string>& names) {
    EventReaderOptions options;
    options.columns = names;
    return options;
  };
  EXPECT_EQ(csv("10,1,2,1\n20,3,4,0\n30,300,200,1\n", columns({"t", "x", "y", "p"})).events, kCsvEvents);
  EXPECT_EQ(csv("1,2,10,1\n3,4,20,0\n300,200,30,1\n", columns({"x", "y", "t", "p"})).events, kCsvEvents);
  EXPECT_EQ(csv("10,1,2,1,9\n20,3,4,0,9\n30,300,200,1,9\n", columns({"t", "x", "y", "p", "_"})).events,
            kCsvEvents);
  EXPECT_EQ(csv("zeit,spalte,zeile,zeichen\n10,1,2,1\n", {"csv"}).events, Events{});
  EventReaderOptions named = columns({"t", "x", "y", "p"});
  named.format = "csv";
  EXPECT_EQ(csv("zeit,spalte,zeile,zeichen\n10,1,2,1\n", named).events,
            Events(kCsvEvents.begin(), kCsvEvents.begin() + 1))
      << "names that are not known are passed over";
  EXPECT_EQ(csv("10 5\n20 6\n",
                [&] {
                  EventReaderOptions options = columns({"t", "x"});
                  options.format = "csv";
                  return options;
                }())
                .events,
            (Events{{10, 5, 0, 1}, {20, 6, 0, 1}}));
  for (const auto& bad : std::vector<std::vector<std::string>>{
           {"t", "x", "y"}, {"t", "x", "y", "y"}, {"_", "x", "y", "p"}, {"t", "x", "y", "pol"}}) {
    EXPECT_THROW(csv("10,1,2,1\n", columns(bad)), ConfigError) << bad.back();
  }
  // Five columns that nothing names are not guessed.
  const Decoded five = csv("10,1,2,1,9\n20,3,4,0,9\n");
  EXPECT_NE(five.error.find("5 columns without names: name them (--columns"), std::string::npos)
      << five.error;
}

TEST(Csv, ACommentMayNameTheColumns) {
  for (const char* comment :
       {"# x y t p", "#x,y,t,p", "% Format: x, y, t, pol", "# events\n# x y timestamp polarity"}) {
    EXPECT_EQ(csv(comment + std::string("\n1 2 10 1\n3 4 20 0\n300 200 30 1\n")).events, kCsvEvents)
        << comment;
  }
  EXPECT_EQ(csv("# t x y p\nx,y,t,p\n1,2,10,1\n").events, Events(kCsvEvents.begin(), kCsvEvents.begin() + 1))
      << "the first line goes before";
  EXPECT_NE(csv("# t x y p\n# x y t p\n1 2 10 1\n").error.find("in two ways"), std::string::npos);
  EXPECT_NE(csv("# t x y p label\n1 2 10 1\n").error, "") << "another number of columns: they are not these";
}

TEST(Csv, NamesInBracketsAreNames) {
  for (const char* line :
       {"# [y, x, t, p]", "# (y,x,t,p)", "# events (y, x, t, p)", "# columns: [y, x, t, p]", "#(y x t p);",
        "# {'y', 'x', 't', 'p'}", "# y; x; t; p;", "# fields (y, x, t [us], p)", "# [y, x, t [us], p]",
        "# y: row, x: column, t: time, p: polarity", "# columns: y: row, x: column, t: time, p: polarity",
        "[y, x, t, p]", "(y,x,t,p)", "'y','x','t','p'", "# y [px], x [px], t [us], p [bool]"}) {
    EXPECT_EQ(csv(line + std::string("\n2,1,10,1\n4,3,20,0\n200,300,30,1\n"), {"csv"}).events, kCsvEvents)
        << line;
  }
}

TEST(Csv, CommentsInProseNameTheColumns) {
  const Events events = {{1000000, 1, 2, 1}, {1000001, 3, 4, 0}};
  for (const char* comment :
       {"# Order is t y x p", "# columns are t, y, x and p", "# t y x p # microseconds", "# fields=t y x p",
        "# event format is <timestamp> <y> <x> <polarity>", "# ts, y_coord, x_coord, on_off",
        "# 1st column: time, 2nd: y, 3rd: x, 4th: polarity",
        "# column 0: time\n# column 1: y\n# column 2: x\n"
        "# column 3: polarity",
        "# One event per line: timestamp(us) y x polarity (0=off, 1=on)",
        "# each event is time, row, column, polarity", "# t y x p\n# time y x polarity",
        "# Every line contains the time t in us, then y, x and the polarity p (1 or -1)"}) {
    const Decoded decoded = csv(std::string(comment) + "\n1000000 2 1 1\n1000001 4 3 0\n");
    EXPECT_EQ(decoded.events, events) << comment << decoded.error;
  }
  EXPECT_EQ(csv("# t y x p (ms)\n1000 2 1 1\n").events, (Events{{1000000, 1, 2, 1}})) << "its unit";
  // What prose leaves open is asked for.
  for (const char* comment : {"# p is that of the event at x, y and time t", "# t y x p, sometimes z",
                              "# 2nd: y, 1st: t, 3rd: x, 4th: p", "# t,y,x,p,label", "# the event's t y x p",
                              "# t in s, y x p in us", "# tick y_px x_px polarity",
                              "# x counts from the right\n# y from above", "# t y x p or t x y p"}) {
    const Decoded decoded = csv(std::string(comment) + "\n1000000 2 1 1\n1000001 4 3 0\n");
    EXPECT_EQ(decoded.events, Events{}) << comment;
    EXPECT_NE(decoded.error.find("may name the columns, but their order is not certain"), std::string::npos)
        << comment << decoded.error;
    EXPECT_NE(decoded.error.find("--columns t,x,y,p or another"), std::string::npos) << decoded.error;
  }
  EventReaderOptions given;
  given.columns = {"t", "y", "x", "p"};
  EXPECT_EQ(csv("# x counts from the right, y from above\n1000000 2 1 1\n1000001 4 3 0\n", given).events,
            events);
}

TEST(Csv, NamesThatAreNotKnownAreAskedAbout) {
  const std::pair<const char*, const char*> cases[] = {
      {"y_px,x,t,p", "no column for y, but there are columns whose names are not known: y_px"},
      {"y,x,t,pol_on", "no column for p, but there are columns whose names are not known: pol_on"},
      {"t,x,y,q", "not known: q"},
      {"t,x_px,y,p", "no column for x, but"},
      {"start,x,y,p", "no column for t, but"},
      {"t,x,more,other", "no column for y, p, but"},
      {"a,b,c,d", "the columns are named a,b,c,d: no column for t, x, y, p"},
      {"t,x,y,y", "more than one column of one kind: y,y"},
      {"t,ts,x,y", "more than one column of one kind: t,ts"}};
  for (const auto& [names, part] : cases) {
    for (const std::string& text : {std::string(names), "# " + std::string(names)}) {
      if (text[0] == '#' && names[0] == 'a') continue;                         // may be any comment
      const Decoded decoded = csv(text + "\n1000000,1,2,1\n1000001,3,4,0\n");  // not named to be csv
      EXPECT_EQ(decoded.events, Events{}) << text;
      EXPECT_NE(decoded.error.find(part), std::string::npos) << decoded.error;
      EXPECT_NE(decoded.error.find("--columns"), std::string::npos) << decoded.error;
      EXPECT_NE(decoded.error.find("data.columns"), std::string::npos) << decoded.error;
    }
    EventReaderOptions given;
    given.columns = {"t", "x", "y", "p"};
    EXPECT_EQ(csv(names + std::string("\n10,1,2,1\n20,3,4,0\n300,1,2,0\n"), given).events.size(), 3u)
        << names;
  }
  EXPECT_EQ(csv("# it was on at any time\n1000000,1,2,1\n1000001,3,4,0\n").events.size(), 2u) << "prose";
  EXPECT_EQ(csv("t,x\n5,6\n").events, (Events{{5, 6, 0, 1}})) << "no other column that may be y or p";
}

TEST(Csv, TextOfSecondsIsReadWhereItIsSurelySeconds) {
  // As the event camera dataset writes: seconds with nanoseconds, spaces.
  EXPECT_EQ(csv("0.000100000 1 2 1\n").events, (Events{{100, 1, 2, 1}}));
  EXPECT_EQ(csv("0.000000000 1 2 1\n0.003820001 3 4 0\n").events, (Events{{0, 1, 2, 1}, {3820, 3, 4, 0}}));
  EXPECT_EQ(csv("240 180\r\n0.100001000 1 2 1\r\n0.200000000\t3\t4\t-1\r\n", {"csv"}).events.size(), 1u);
  const Decoded tabs = csv("240 180\r\n0.100001000\t1\t2\t1\r\n0.200000000\t3\t4\t-1\r\n");
  EXPECT_EQ(tabs.events, (Events{{100001, 1, 2, 1}, {200000, 3, 4, 0}}));
  EXPECT_EQ(tabs.width, 240);
  EXPECT_EQ(tabs.height, 180);
  // As NumPy writes.
  EXPECT_EQ(csv("1.000123000000000000e+02 1.000000000000000000e+00 2.000000e+00 1.000000e+00\n").events,
            (Events{{100012300, 1, 2, 1}}));
  EXPECT_EQ(csv("0.00012299999999999998 1 2 1\n").events, (Events{{123, 1, 2, 1}})) << "binary fractions";
  EXPECT_EQ(csv("t,x,y,p\n1700000000.123456,1,2,1\n").events, (Events{{1700000000123456, 1, 2, 1}}));
  EXPECT_EQ(csv("t,x,y,p\n1700000000.123001,1,2,1\n").events, (Events{{1700000000123001, 1, 2, 1}}));
  EXPECT_EQ(csv("t,x,y,p\n29.000000000,1,2,1\n29.000001000,1,2,1\n").events.size(), 2u);
  EXPECT_EQ(csv("t,x,y,p\n-0.000001,1,2,1\n").events, (Events{{-1, 1, 2, 1}}));
  // May be seconds or milliseconds; may be microseconds, too.
  for (const char* time : {"0.5", "0.500", "12.0", "1.000000e+02", "1e2", "29.000000000", "0.125000000",
                           // Milliseconds with the rounding of a double.
                           "1.3250000000000002", "8.100000000000001", "1.325000000000000178e+00",
                           "0.30000000000000004", "1234.4999999999998"}) {
    const std::string text = "t,x,y,p\n" + std::string(time) + ",1,2,1\n";
    EXPECT_NE(csv(text).error.find("unit is uncertain: give it (--time-unit"), std::string::npos) << time;
    EventReaderOptions seconds;
    seconds.time_unit = TimeUnit::kSeconds;
    EXPECT_EQ(csv(text, seconds).events.size(), 1u) << time;
  }
}

TEST(Csv, TimesAreOfTheUnitAskedForOrNamed) {
  const auto time = [](const std::string& text, TimeUnit unit, const std::string& name = "t") {
    EventReaderOptions options;
    options.time_unit = unit;
    const Decoded decoded = csv(name + ",x,y,p\n" + text + ",1,2,1\n", options);
    return decoded.events.empty() ? -1 : decoded.events[0].t_us;
  };
  EXPECT_EQ(time("1.5", TimeUnit::kSeconds), 1500000);
  EXPECT_EQ(time("2", TimeUnit::kSeconds), 2000000);
  EXPECT_EQ(time("1.0005", TimeUnit::kMilliseconds), 1000);
  EXPECT_EQ(time("12.0", TimeUnit::kMicroseconds), 12);
  EXPECT_EQ(time("1.2e1", TimeUnit::kMicroseconds), 12);
  EXPECT_EQ(time("1999", TimeUnit::kNanoseconds), 1);
  EXPECT_EQ(time("1.2", TimeUnit::kMicroseconds), -1) << "nothing is cut that was not asked for";
  EXPECT_EQ(time("9223372036854775", TimeUnit::kSeconds), -1) << "beyond 64 bits";
  EXPECT_EQ(time("1e400", TimeUnit::kSeconds), -1);
  EXPECT_EQ(time("9223372036854775807", TimeUnit::kFile), 9223372036854775807);
  EXPECT_EQ(time("9223372036854775808", TimeUnit::kFile), -1);
  EXPECT_EQ(time("5", TimeUnit::kFile, "t_ns"), 0);
  EXPECT_EQ(time("5", TimeUnit::kFile, "timestamp [ms]"), 5000);
  EXPECT_EQ(time("0.5", TimeUnit::kFile, "Time(s)"), 500000);
  EXPECT_EQ(time("5", TimeUnit::kMicroseconds, "t_ms"), 5) << "the option goes before";
}

TEST(Csv, EventsOutsideAreLeftOutWhereThatIsAskedFor) {
  EventReaderOptions options;
  options.width = 10;
  options.height = 10;
  options.drop_outside = true;
  const testing::Bytes bytes =
      bytes_of("t,x,y,p\n1,-1,1,1\n2,9,9,1\n3,10,0,1\n4,0,10,1\n5,70000,1,1\n6,0,0,0\n7,1,99,0\n");
  for (const std::size_t capacity : {1, 2, 100}) {
    EXPECT_EQ(decode(bytes, options, capacity).events, (Events{{2, 9, 9, 1}, {6, 0, 0, 0}})) << capacity;
  }
  const auto reader = open_events(memory_source(bytes.data(), bytes.size(), "memory"), options);
  Events piece(3);
  while (reader->read(piece.data(), piece.size()) > 0) {
  }
  EXPECT_EQ(reader->dropped_events(), 5);
  options.drop_outside = false;
  EXPECT_NE(decode(bytes, options).error.find("--drop-outside"), std::string::npos);
}

TEST(Csv, ACutFileIsReadUpToTheCut) {
  const auto unread = [](const std::string& text, bool partial) {
    const testing::Bytes bytes = bytes_of(text);
    EventReaderOptions options;
    options.partial = partial;
    const auto reader = open_events(memory_source(bytes.data(), bytes.size(), "memory"), options);
    Events piece(10);
    while (reader->read(piece.data(), piece.size()) > 0) {
    }
    return reader->unread_bytes();
  };
  EventReaderOptions partial;
  partial.partial = true;
  for (const char* rest : {"3", "30", "30,", "30,300,2", "30,300,200,1"}) {
    const std::string text = "t,x,y,p\n10,1,2,1\n20,3,4,0\n" + std::string(rest);
    EXPECT_EQ(csv(text, partial).error, "") << rest;
    EXPECT_EQ(csv(text, partial).events, Events(kCsvEvents.begin(), kCsvEvents.begin() + 2)) << rest;
    EXPECT_EQ(unread(text, true), static_cast<std::int64_t>(std::string(rest).size())) << rest;
  }
  EXPECT_NE(csv("t,x,y,p\n10,1,2,1\n20,3").error.find("--partial"), std::string::npos);
  EXPECT_EQ(unread("t,x,y,p\n10,1,2,1\n", true), 0);
}

TEST(Csv, WhatIsWrittenIsReadWithItsSensor) {
  const Decoded decoded = decode(testing::encoded("csv", 640, 480, kCsvEvents));
  EXPECT_EQ(decoded.events, kCsvEvents);
  EXPECT_EQ(decoded.width, 640);
  EXPECT_EQ(decoded.height, 480);
  EXPECT_EQ(decode(testing::encoded("csv", 0, 0, kCsvEvents)).width, 0);
  EXPECT_EQ(decode(testing::encoded("csv", 640, 480, {})).events, Events{});
}

TEST(Csv, GeometryIsTheSizeOfTheSensor) {
  EXPECT_EQ(csv("%geometry:640,480\nt,x,y,p\n1,639,479,0\n").width, 640);
  EXPECT_EQ(csv("%geometry:640,480\nt,x,y,p\n1,639,479,0\n").height, 480);
  EXPECT_NE(csv("%geometry:640,480\nt,x,y,p\n1,640,479,0\n").error, "");
  EXPECT_EQ(csv("%geometry:0,99999999\nt,x,y,p\n1,640,479,0\n").width, 0);
}

TEST(Csv, ErrorsNameLineColumnAndWhatIsThere) {
  const auto has = [](const std::string& text, const std::string& part) {
    const std::string error = csv(text, {"csv"}).error;
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  has("t,x,y,p\n1,2,zwei,1\n", "line 2, column 3: 'zwei' where a whole number (y)");
  has("t,x,y,p\n1,,3,1\n", "line 2, column 2: nothing where a whole number (x)");
  has("t,x,y,p\n1,1.5,3,1\n", "line 2, column 2: '1.5' where a whole number (x)");
  has("t_us,x,y,p\n1,2,3,1\n0.5,2,3,1\n", "line 3, column 1: '0.5' where a time in whole microseconds");
  has("1,2,a,1\n", "line 1, column 3: 'a' where a number");
  has("t,x,y,p\n1,2,3,1\n2,3\n", "line 3: 2 columns; y, p are missing");
  EXPECT_EQ(csv("t,x,y,p\n1,2,zwei,1\n").error_offset, 12);
}

TEST(Csv, ABadValueOnALateLineIsNamed) {
  std::string rows;
  for (int i = 0; i < 5000; ++i) rows += std::to_string(i) + ",1,2,1\n";
  EventReaderOptions given;
  given.columns = {"t", "x", "y", "p"};
  const std::pair<const char*, const char*> cases[] = {{"6000,1,2,2\n", "a polarity of 2"},
                                                       {"6000,-7,2,1\n", "an event at (-7, 2)"},
                                                       {"6000,1,zwei,1\n", "'zwei'"}};
  for (const auto& [line, part] : cases) {
    const std::pair<Decoded, const char*> read[] = {{csv("t,x,y,p\n" + rows + line), "line 5002"},
                                                    {csv("# t x y p\n" + rows + line), "line 5002"},
                                                    {csv(rows + line, given), "line 5001"}};
    for (const auto& [decoded, number] : read) {
      EXPECT_EQ(decoded.events.size(), 5000u);
      EXPECT_NE(decoded.error.find(part), std::string::npos) << decoded.error;
      EXPECT_NE(decoded.error.find(number), std::string::npos) << decoded.error;
    }
  }
}

TEST(Csv, ErrorsNameTheLine) {
  const auto line_of = [](const std::string& rows, std::size_t events_before) {
    const Decoded decoded = csv("t,x,y,p\n" + rows);
    EXPECT_EQ(decoded.events.size(), events_before) << rows;
    const std::size_t begin = decoded.error.find("line ");
    return begin == std::string::npos ? -1 : std::stoi(decoded.error.substr(begin + 5));
  };
  EXPECT_EQ(line_of("1,1,1,1\n\n2,2\n", 1), 4);
  EXPECT_EQ(line_of("1,1,1,1\n2,2,2,2\n", 1), 3) << "polarity 2";
  EXPECT_EQ(line_of("0.5,1,1,1\n", 0), 2) << "seconds";
  EXPECT_EQ(line_of("1,-1,1,1\n", 0), 2);
  EXPECT_EQ(line_of("1,65536,1,1\n", 0), 2);
  EXPECT_EQ(line_of("99999999999999999999,1,1,1\n", 0), 2);
  EXPECT_EQ(line_of("1,1,1,1\nhello\n", 1), 3);
  EXPECT_EQ(line_of("1,1,1,1\n" + std::string(100000, '1') + "\n", 1), 3) << "longer than any row";
  EXPECT_EQ(csv("t,x,y,p\n1,1,1,1\nx\n").error_offset, 16);
}

TEST(Csv, OtherTextIsRefused) {
  for (const char* text : {"class,startTime_usec,endTime_usec\n1,24,50\n", "t,y,p\n1,2,3\n",
                           "t,x,x,p\n1,2,3,1\n", "1,2,3\n", "hello\n", "#only comments\n"}) {
    EXPECT_NE(csv(text).error, "") << text;
    EXPECT_NE(csv(text, {"csv"}).error, "") << text;
  }
}

TEST(Csv, PiecesAreTheWholeAndDamageIsSurvived) {
  const Events events = testing::made_up_events(10, 20000, 640, 480, 0, 100);
  const testing::Bytes bytes = testing::encoded("csv", 640, 480, events);
  EXPECT_EQ(decode(bytes).events, events);
  EXPECT_EQ(testing::decode_unevenly(bytes, {}).events, events);
  testing::expect_mutations_survived([](const std::string& path) { read_events(path, {"csv"}); },
                                     bytes_of("t,x,y,p\n1,2,3,1\n2,3,4,0\n3,4,5,1\n"), 2000);
}

TEST(Csv, LabelsAreNoEvents) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat3/aedat1_for_testing_labels.csv");
  EXPECT_THROW(read_events(path), FormatError);
}

}  // namespace
}  // namespace spikeloom::formats
