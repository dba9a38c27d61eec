#include "spikeloom/stream/sources/text_events.h"

#include <algorithm>
#include <array>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/text/csv_head.h"
#include "spikeloom/formats/events/text/csv_line.h"

namespace spikeloom::stream {
namespace {

constexpr std::size_t kMostLineBytes = 1024;
constexpr const char* kNames[] = {"t", "x", "y", "p"};
constexpr std::size_t kFields = 4;

/// 0 .. 3, or -1 for a column that is passed over.
int field_of(const std::string& name) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  return found == std::end(kNames) ? -1 : static_cast<int>(found - kNames);
}

/// Whether each of t, x, y and p is there once.
bool is_whole(const std::vector<int>& what) {
  std::array<int, kFields> counts{};
  for (const int one : what) {
    if (one >= 0) ++counts[static_cast<std::size_t>(one)];
  }
  return counts == std::array<int, kFields>{1, 1, 1, 1};
}

}  // namespace

TextDecoder::TextDecoder(std::string name, const std::vector<std::string>& columns, SensorCheck check)
    : name_(std::move(name)), check_(std::move(check)) {
  for (const std::string& column : columns) what_.push_back(field_of(column));
  if (!is_whole(what_))
    throw ConfigError("the columns of a stream of text are t, x, y and p, once each, and _");
}

void TextDecoder::refuse(const std::string& what) const {
  throw FormatError("line " + std::to_string(line_) + ": " + what, name_);
}

void TextDecoder::feed(Span<const std::uint8_t> bytes, std::vector<events::Event>& events) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    if (held_.empty()) {
      take(text.substr(0, end), events);
    } else {
      held_ += text.substr(0, std::min(end, kMostLineBytes + 1));
      const std::string line = std::move(held_);
      held_.clear();
      take(line, events);
    }
    text.remove_prefix(end + 1);
  }
  held_ += text.substr(0, kMostLineBytes + 1);
  if (held_.size() > kMostLineBytes) {
    ++line_;
    refuse("is longer than 1 KiB: this is not a csv of events, t,x,y,p");
  }
}

void TextDecoder::finish(std::vector<events::Event>& events) {
  if (!held_.empty()) take(held_, events);
  held_.clear();
}

void TextDecoder::take(std::string_view line, std::vector<events::Event>& events) {
  ++line_;
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (line_ == 1 && line.substr(0, kByteOrderMark.size()) == kByteOrderMark)
    line.remove_prefix(kByteOrderMark.size());
  if (line.size() > kMostLineBytes) refuse("is longer than 1 KiB: this is not a csv of events, t,x,y,p");
  if (formats::is_csv_comment(line)) {
    const auto size = started_ || sensor_ ? std::nullopt : formats::csv_geometry(line);
    if (!size) return;
    sensor_ = {size->first, size->second};
    if (check_) check_(sensor_->width, sensor_->height);
    return;
  }
  if (!started_) {
    started_ = true;
    const auto layout = formats::csv_layout(line);
    if (!layout) refuse("is neither an event (t,x,y,p) nor the names of columns");
    separator_ = layout->separator;
    if (!layout->names.empty()) {
      what_.clear();
      for (const std::string& name : layout->names) what_.push_back(field_of(name));
      if (!is_whole(what_)) refuse("the names of the columns are not t, x, y and p, once each");
      return;
    }
  }
  std::int64_t values[kFields] = {};
  for (const int what : what_) {
    if (line.empty()) refuse("has fewer columns than " + std::to_string(what_.size()));
    const std::string_view field = formats::next_csv_field(&line, separator_);
    if (what < 0) continue;
    const auto number = formats::csv_number(field);
    if (!number) refuse("'" + std::string(field.substr(0, 40)) + "' is not a whole number");
    values[what] = *number;
  }
  const auto is_place = [](std::int64_t value) { return value >= 0 && value < 65536; };
  if (!is_place(values[1]) || !is_place(values[2])) refuse("x and y are 0 to 65535");
  if (values[3] < -1 || values[3] > 1) refuse("a polarity is 0 or -1 (off), or 1 (on)");
  events.push_back({values[0], static_cast<std::uint16_t>(values[1]), static_cast<std::uint16_t>(values[2]),
                    static_cast<std::uint8_t>(values[3] == 1 ? 1 : 0)});
}

}  // namespace spikeloom::stream
