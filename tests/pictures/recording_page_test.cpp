#include "spikeloom/pictures/recording_page.h"

#include <gtest/gtest.h>

#include <string>

namespace spikeloom::pictures {
namespace {

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(RecordingPage, IsOneFileWithNothingFromElsewhereAndNoScript) {
  events::EventStream stream;
  stream.width = stream.height = 16;
  for (int i = 0; i < 50; ++i) {
    stream.events.push_back({i * 100, static_cast<std::uint16_t>(i % 16), static_cast<std::uint16_t>(i % 5),
                             static_cast<std::uint8_t>(i % 2)});
  }
  const Shown shown{make_frames(stream, even_slices(stream, 4)), summarise(stream)};
  PageText text;
  text.title = "<script>alert(1)</script>\".raw";
  text.format = "EVT & 3.0";
  text.transforms = {"drop_background(filter_us=1)", "</code><b>"};
  text.frames = "4 frames of equal time";
  const std::string page = recording_page(text, {{"before", shown}, {"after the transforms", shown}});
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0u);
  EXPECT_EQ(count(page, "<script"), 0);
  EXPECT_EQ(count(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;.raw"), 2) << "title and headline";
  EXPECT_EQ(count(page, "EVT &amp; 3.0"), 1);
  EXPECT_EQ(count(page, "&lt;/code&gt;&lt;b&gt;"), 1);
  EXPECT_EQ(count(page, "http"), 0);
  EXPECT_EQ(count(page, "<svg"), 2) << "a chart each";
  EXPECT_EQ(count(page, "class=\"on\" x="), 2 * 60);
  EXPECT_EQ(count(page, "data:image/gif;base64,R0lGODlh"), 1);
  EXPECT_EQ(count(page, "data:image/png;base64,iVBORw0KGgo"), 1);
  EXPECT_EQ(count(page, "<img class="), 2);
  EXPECT_EQ(count(page, " alt=\""), 2) << "each picture has a text";
  EXPECT_EQ(count(page, "<text"), 0) << "they would shrink with the drawing";
  EXPECT_EQ(count(page, "<span>0 ms</span><span>4.900 ms</span>"), 2);
}

}  // namespace
}  // namespace spikeloom::pictures
