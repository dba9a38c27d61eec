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

const Events kEvents = {{10, 1, 2, 1}, {20, 3, 4, 0}, {30, 300, 200, 1}};

TEST(Csv, ColumnsFollowTheFirstLine) {
  EXPECT_EQ(csv("t,x,y,p\n10,1,2,1\n20,3,4,0\n30,300,200,1\n").events, kEvents);
  EXPECT_EQ(csv("p,y,x,t\n1,2,1,10\n0,4,3,20\n1,200,300,30\n").events, kEvents);
  EXPECT_EQ(
      csv("\"X\" ; Y;more; Timestamp ;polarity\r\n1;2;?;10;1\r\n3;4;;20;-1\r\n300;200;!;30;True\r\n").events,
      kEvents);
  EXPECT_EQ(csv("x y t p\n 1  2 10 1\n3 4 20.0 0\n\n# a comment\n300 200 30 1").events, kEvents);
  EXPECT_EQ(csv("t\tx\ty\tp\n10\t1\t2\t1\n").events, Events(kEvents.begin(), kEvents.begin() + 1));
  EXPECT_EQ(csv("\xef\xbb\xbft,x,y,p\n10,1,2,1\n").events.size(), 1u);
  EXPECT_EQ(csv("t,x,p\n5,6,1\n").events, (Events{{5, 6, 0, 1}})) << "one row, as audio has";
  EXPECT_EQ(csv("t,x,y,p\n").events, Events{});
  EXPECT_EQ(csv("t,x,y,p\n").format, "csv");
}

TEST(Csv, ColumnsWithoutNamesAreToldByTheirContent) {
  EXPECT_EQ(csv("10,1,2,1\n20,3,4,0\n30,300,200,1\n").events, kEvents);
  EXPECT_EQ(csv("300,2,1000000,1\n3,4,2000000,0\n").events,
            (Events{{1000000, 300, 2, 1}, {2000000, 3, 4, 0}}));
  EXPECT_EQ(csv("%geometry:640,480\n300,2,1,1000000\n3,4,0,2000000\n").events,
            (Events{{1000000, 300, 2, 1}, {2000000, 3, 4, 0}}));
  EXPECT_NE(csv("1,2,3,4\n5,6,7,8\n").error, "");
}

TEST(Csv, GeometryIsTheSizeOfTheSensor) {
  EXPECT_EQ(csv("%geometry:640,480\nt,x,y,p\n1,639,479,0\n").width, 640);
  EXPECT_EQ(csv("%geometry:640,480\nt,x,y,p\n1,639,479,0\n").height, 480);
  EXPECT_NE(csv("%geometry:640,480\nt,x,y,p\n1,640,479,0\n").error, "");
  EXPECT_EQ(csv("%geometry:0,99999999\nt,x,y,p\n1,640,479,0\n").width, 0);
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
