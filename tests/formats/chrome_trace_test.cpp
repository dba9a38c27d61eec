#include "spikeloom/formats/chrome_trace.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spikeloom/base/json_text.h"

namespace spikeloom::formats {
namespace {

TEST(ChromeTrace, HasTheFieldsThatViewersAskFor) {
  ChromeTrace trace;
  trace.name_process("bench");
  trace.name_thread(3, "loader");
  trace.span(3, "read \"a\"\xff", "loader", 1.5, 2.25, {{"path", "dense"}});
  trace.counter("kept", "bytes", 4.0, 1e9);
  const auto json = parse_json(trace.to_json());
  const auto& events = json.at("traceEvents");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0], parse_json(R"({"ph":"M","pid":1,"name":"process_name","args":{"name":"bench"}})"));
  EXPECT_EQ(events[1],
            parse_json(R"({"ph":"M","pid":1,"tid":3,"name":"thread_name","args":{"name":"loader"}})"));
  EXPECT_EQ(events[2].at("ph"), "X");
  EXPECT_EQ(events[2].at("ts"), 1.5);
  EXPECT_EQ(events[2].at("dur"), 2.25);
  EXPECT_EQ(events[2].at("tid"), 3);
  EXPECT_EQ(events[2].at("args").at("path"), "dense");
  EXPECT_EQ(events[3].at("ph"), "C");
  EXPECT_EQ(events[3].at("name"), "kept");
  EXPECT_EQ(events[3].at("args").at("bytes"), 1e9);
}

}  // namespace
}  // namespace spikeloom::formats
