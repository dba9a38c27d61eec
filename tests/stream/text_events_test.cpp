#include "spikeloom/stream/sources/text_events.h"

#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"

namespace spikeloom::stream {
namespace {

using events::Event;

std::vector<Event> decoded(const std::string& text, std::size_t piece = 1 << 20,
                           const std::vector<std::string>& columns = {"t", "x", "y", "p"}) {
  TextDecoder decoder("pipe", columns);
  std::vector<Event> list;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::size_t size = std::min(piece, text.size() - at);
    decoder.feed({reinterpret_cast<const std::uint8_t*>(text.data()) + at, size}, list);
  }
  decoder.finish(list);
  return list;
}

void expect_two(const std::vector<Event>& list) {
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].t_us, -5);
  EXPECT_EQ(list[0].x, 3);
  EXPECT_EQ(list[0].y, 4);
  EXPECT_EQ(list[0].polarity, 1);
  EXPECT_EQ(list[1].t_us, 70000000000);
  EXPECT_EQ(list[1].polarity, 0);
}

TEST(TextEvents, LinesInPiecesOfAnySize) {
  for (const std::size_t piece : {1u, 2u, 5u, 1000u}) {
    expect_two(decoded("# comment\n-5,3,4,1\r\n\n70000000000,0,65535,-1\n", piece));
    expect_two(decoded("-5 3 4 1\n70000000000 0 1 0", piece));  // the last line without its end
  }
}

TEST(TextEvents, AByteOrderMarkIsPassedOver) {
  expect_two(decoded("\xef\xbb\xbf-5,3,4,1\n70000000000,0,65535,-1\n", 2));
  expect_two(decoded("\xef\xbb\xbfx,y,p,t\n3,4,1,-5\n0,0,0,70000000000\n"));
}

TEST(TextEvents, NamesAndOptionsSayTheColumns) {
  expect_two(decoded("x,y,p,t,more\n3,4,1,-5,9\n0,0,0,70000000000,9\n"));
  expect_two(decoded("3,4,1,9,-5\n0,0,0,9,70000000000\n", 100, {"x", "y", "p", "_", "t"}));
  EXPECT_THROW(decoded("", 100, {"x", "y", "t"}), ConfigError);
  EXPECT_THROW(decoded("", 100, {"x", "y", "t", "p", "p"}), ConfigError);
}

TEST(TextEvents, ACommentSaysTheSensor) {
  for (const std::string line : {"%geometry:640,480\n", "# made by hand\n# geometry: 640,480\n"}) {
    int width = 0, calls = 0;
    TextDecoder decoder("pipe", {"t", "x", "y", "p"}, [&](int columns, int) {
      width = columns;
      ++calls;
    });
    std::vector<Event> list;
    const std::string text = line + "t,x,y,p\n1,2,3,1\n# geometry: 9,9\n2,2,3,1\n";
    decoder.feed({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, list);
    EXPECT_EQ(list.size(), 2u);
    EXPECT_EQ(width, 640);
    EXPECT_EQ(calls, 1);
    ASSERT_TRUE(decoder.sensor());
    EXPECT_EQ(decoder.sensor()->height, 480);
  }
}

TEST(TextEvents, WhatIsNoEventIsNamedByItsLine) {
  for (const std::string bad :
       {"1,2,3\n", "1,2,3,2\n", "1,2,x,1\n", "1,65536,0,1\n", "1,-1,0,1\n", "1.5,0,0,1\n"}) {
    try {
      decoded("0,0,0,0\n" + bad);
      ADD_FAILURE() << bad;
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(decoded("a,b,c,d\n"), FormatError);
  EXPECT_THROW(decoded("x,y,p\n"), FormatError);
}

TEST(TextEvents, ALineWithoutEndIsRefusedBeforeItFillsMemory) {
  EXPECT_THROW(decoded(std::string(1 << 20, '1'), 1000), FormatError);
  EXPECT_THROW(decoded("0,0,0,0\n" + std::string(1 << 20, '1')), FormatError);
}

}  // namespace
}  // namespace spikeloom::stream
