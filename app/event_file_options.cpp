#include "app/event_file_options.h"

#include <fmt/format.h>

#include <charconv>

#include "spikeloom/base/errors.h"

namespace spikeloom::app {
namespace {

constexpr int kLargestSide = 1 << 16;  // what the coordinates of events hold

/// A side of the sensor, or 0 if the text is none.
int parse_side(const std::string& text) {
  int side = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, side);
  return error == std::errc() && stopped == end && side >= 1 && side <= kLargestSide ? side : 0;
}

}  // namespace

formats::EventReaderOptions EventFileOptions::reader_options() const {
  formats::EventReaderOptions options;
  options.format = format;
  if (sensor.empty()) return options;
  const std::size_t cross = sensor.find('x');
  options.width = parse_side(sensor.substr(0, cross));
  options.height = cross == std::string::npos ? 0 : parse_side(sensor.substr(cross + 1));
  if (options.width == 0 || options.height == 0) {
    throw ConfigError(fmt::format("--sensor {}: give WIDTHxHEIGHT in pixels, e.g. 346x260", sensor));
  }
  return options;
}

void add_event_file_options(CLI::App& command, EventFileOptions& options) {
  command
      .add_option("--format", options.format,
                  "Format of an event recording: auto (by content), " + joined(formats::event_format_names()))
      ->type_name("FORMAT")
      ->capture_default_str();
  command
      .add_option("--sensor", options.sensor,
                  "Size of the sensor in pixels, where the recording does not say it")
      ->type_name("WxH");
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace spikeloom::app
