#include "spikeloom/formats/events/event_reader_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

/// A side of the sensor, or 0 if the text is none.
int parse_side(const std::string& text) {
  int side = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, side);
  return error == std::errc() && stopped == end && side >= 1 && side <= kLargestSensorSide ? side : 0;
}

}  // namespace

SensorSize parse_sensor(const std::string& text) {
  const std::size_t cross = text.find('x');
  SensorSize size;
  size.width = parse_side(text.substr(0, cross));
  size.height = cross == std::string::npos ? 0 : parse_side(text.substr(cross + 1));
  if (size.width == 0 || size.height == 0) {
    throw ConfigError(
        fmt::format("'{}' is not the size of a sensor: give WIDTHxHEIGHT in pixels, e.g. 346x260", text));
  }
  return size;
}

TimeUnit parse_time_unit(const std::string& text) {
  if (text.empty()) return TimeUnit::kFile;
  if (text == "s") return TimeUnit::kSeconds;
  if (text == "ms") return TimeUnit::kMilliseconds;
  if (text == "us") return TimeUnit::kMicroseconds;
  if (text == "ns") return TimeUnit::kNanoseconds;
  throw ConfigError(fmt::format("'{}' is not a unit of time known here: give s, ms, us or ns", text));
}

std::vector<std::string> parse_columns(const std::string& text) {
  constexpr const char* kHelp = "give what each column is, in order, e.g. t,x,y,p,_ (_: not read)";
  std::vector<std::string> columns;
  if (text.empty()) return columns;
  std::string name;
  const auto add = [&] {
    const bool known = name == "t" || name == "x" || name == "y" || name == "p" || name == "_";
    if (!known) throw ConfigError(fmt::format("'{}': '{}' is not a column; {}", text, name, kHelp));
    if (name != "_" && std::find(columns.begin(), columns.end(), name) != columns.end()) {
      throw ConfigError(fmt::format("'{}': column {} is given twice; {}", text, name, kHelp));
    }
    columns.push_back(name);
    name.clear();
  };
  for (const char c : text) {
    if (c == ',') {
      add();
    } else if (c != ' ') {
      name += c;
    }
  }
  add();
  for (const char* needed : {"t", "x"}) {
    if (std::find(columns.begin(), columns.end(), needed) == columns.end()) {
      throw ConfigError(fmt::format("'{}': column {} is missing; {}", text, needed, kHelp));
    }
  }
  return columns;
}

}  // namespace spikeloom::formats
