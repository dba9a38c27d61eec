#include "spikeloom/formats/events/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/careful_reader.h"
#include "spikeloom/formats/events/csv_line.h"
#include "spikeloom/formats/events/event_columns.h"

namespace spikeloom::formats {
namespace {

constexpr char kName[] = "csv";
constexpr std::size_t kMaxLineBytes = std::size_t{1} << 14;
constexpr std::size_t kLookBytes = std::size_t{1} << 16;
constexpr std::size_t kMaxColumns = 64;
constexpr char kByteOrderMark[] = "\xef\xbb\xbf";
constexpr std::string_view kGeometry = "%geometry:";

class CsvReader : public CarefulReader {
 public:
  CsvReader(std::unique_ptr<ByteSource> source, const EventReaderOptions& options)
      : CarefulReader(options.width, options.height), window_(std::move(source)) {
    if (window_.ensure(3) && std::memcmp(window_.data(), kByteOrderMark, 3) == 0) window_.consume(3);
    std::string_view line;
    while (look_at_line(&line) && is_csv_comment(line)) {
      read_geometry(line);
      take_line();
    }
    const auto layout = csv_layout(line);
    if (!layout || line.empty()) refuse("no events: wanted is a row of numbers or of the names t, x, y, p");
    layout_ = *layout;
    if (layout_.num_columns > kMaxColumns) refuse(fmt::format("{} columns", layout_.num_columns));
    if (!layout_.names.empty()) {
      const auto places = columns_by_name(layout_.names);
      if (!places) refuse("the names of the columns lack t or x, or have one twice");
      places_ = *places;
      take_line();
    } else {
      places_ = find_order();
    }
  }

  const char* format() const override { return kName; }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw FormatError(fmt::format("line {}: {}", line_number_, what), window_.name(), window_.offset());
  }

  /// The next line, without its end, as long as the window stands there; false at the end of the file.
  bool look_at_line(std::string_view* line) {
    *line = {};
    line_bytes_ = 0;
    for (std::size_t wanted = 128;; wanted *= 4) {
      const bool more = window_.ensure(std::min(wanted, kMaxLineBytes));
      const std::size_t length = std::min(window_.size(), kMaxLineBytes);
      if (length == 0) return false;
      const char* text = reinterpret_cast<const char*>(window_.data());
      const void* end = std::memchr(text, '\n', length);
      if (end != nullptr || !more) {
        const std::size_t size =
            end == nullptr ? length : static_cast<std::size_t>(static_cast<const char*>(end) - text);
        line_bytes_ = end == nullptr ? size : size + 1;
        *line = std::string_view(text, size);
        return true;
      }
      if (wanted >= kMaxLineBytes) refuse(fmt::format("longer than {} bytes", kMaxLineBytes));
    }
  }

  void take_line() {
    window_.consume(line_bytes_);
    ++line_number_;
  }

  void read_geometry(std::string_view line) {
    if (width_ != 0 || height_ != 0 || line.substr(0, kGeometry.size()) != kGeometry) return;
    line.remove_prefix(kGeometry.size());
    const auto width = csv_number(next_csv_field(&line, ',')),
               height = csv_number(next_csv_field(&line, ','));
    constexpr std::int64_t kMaxPixels = 65536;
    if (!width || !height || *width < 1 || *width > kMaxPixels || *height < 1 || *height > kMaxPixels) return;
    width_ = static_cast<int>(*width);
    height_ = static_cast<int>(*height);
  }

  /// By the rows at hand, of which the last may be cut.
  ColumnPlaces find_order() {
    if (layout_.num_columns != kNumEventColumns) {
      refuse(
          fmt::format("{} columns without names: wanted are four, or a first line with names such as t,x,y,p",
                      layout_.num_columns));
    }
    const bool more = window_.ensure(kLookBytes);
    std::string_view text(reinterpret_cast<const char*>(window_.data()),
                          std::min(window_.size(), kLookBytes));
    std::vector<std::int64_t> numbers;
    std::int64_t line_number = line_number_;
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      if (end == std::string_view::npos && more) break;
      std::string_view line = text.substr(0, end);
      text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
      if (is_csv_comment(line)) continue;
      std::int64_t row[kNumEventColumns];
      bool whole = true;
      for (std::int64_t& number : row) {
        const auto value = csv_number(next_csv_field(&line, layout_.separator));
        whole = whole && value;
        number = value.value_or(0);
      }
      if (!whole) break;  // is refused when its turn comes
      numbers.insert(numbers.end(), row, row + kNumEventColumns);
      ++line_number;
    }
    if (line_number == line_number_) refuse_number(std::string_view());
    const auto places =
        columns_by_content(numbers.size() / kNumEventColumns, [&numbers](std::size_t row, int column) {
          return numbers[row * kNumEventColumns + static_cast<std::size_t>(column)];
        });
    if (!places) {
      refuse("the columns are in none of the orders t,x,y,p; x,y,t,p; x,y,p,t: name them in a first line");
    }
    return *places;
  }

  [[noreturn]] void refuse_number(std::string_view field) const {
    std::string shown(field.substr(0, 30));
    std::replace_if(
        shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20; }, ' ');
    refuse(fmt::format("'{}' where a whole number was expected (t is in microseconds)", shown));
  }

  void decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    std::string_view line;
    while (*count < capacity && look_at_line(&line)) {
      if (!is_csv_comment(line)) {
        decode_line(line, events + *count);
        ++*count;
      }
      take_line();
    }
  }

  void decode_line(std::string_view line, events::Event* event) const {
    std::int64_t values[kNumEventColumns] = {0, 0, 0, 1};
    std::size_t left = kNumEventColumns;
    for (const int place : places_) left -= place < 0 ? 1 : 0;
    for (int column = 0; left > 0; ++column) {
      if (line.empty()) refuse(fmt::format("{} columns, {} of which are needed are missing", column, left));
      const std::string_view field = next_csv_field(&line, layout_.separator);
      for (std::size_t i = 0; i < kNumEventColumns; ++i) {
        if (places_[i] != column) continue;
        const auto value = csv_number(field);
        if (!value) refuse_number(field);
        values[i] = *value;
        --left;
      }
    }
    const auto polarity = polarity_of(values[kColumnP]);
    if (!polarity)
      refuse(fmt::format("a polarity of {}; there are 0 or -1 (off) and 1 (on)", values[kColumnP]));
    try {
      check_pixel(values[kColumnX], values[kColumnY], window_.name(), window_.offset());
    } catch (const FormatError&) {
      refuse(fmt::format("an event at ({}, {}), outside the sensor", values[kColumnX], values[kColumnY]));
    }
    *event = {values[kColumnT], static_cast<std::uint16_t>(values[kColumnX]),
              static_cast<std::uint16_t>(values[kColumnY]), *polarity};
  }

  ByteWindow window_;
  CsvLayout layout_;
  ColumnPlaces places_{};
  std::int64_t line_number_ = 1;
  std::size_t line_bytes_ = 0;  // of the line last looked at, with its end
};

/// Text whose first line of content is one that the reader takes.
bool recognizes(const RecordingStart& start) {
  constexpr std::size_t kTextBytes = 4096;
  std::string_view text(reinterpret_cast<const char*>(start.bytes.data()),
                        std::min(start.bytes.size(), kTextBytes));
  const bool cut = text.size() == kTextBytes;
  const auto is_text = [](unsigned char c) { return c >= 0x20 || c == '\t' || c == '\r' || c == '\n'; };
  if (!std::all_of(text.begin(), text.end(), is_text)) return false;
  if (text.substr(0, 3) == kByteOrderMark) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && cut) return false;
    const std::string_view line = text.substr(0, end);
    if (!is_csv_comment(line)) {
      const auto layout = csv_layout(line);
      if (!layout) return false;
      return layout->names.empty() ? layout->num_columns == kNumEventColumns
                                   : columns_by_name(layout->names).has_value();
    }
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return false;
}

}  // namespace

EventFormat csv_format() {
  return {"csv", kName, recognizes,
          [](std::unique_ptr<ByteSource> source, const RecordingStart&,
             const EventReaderOptions& options) -> std::unique_ptr<EventReader> {
            return std::make_unique<CsvReader>(std::move(source), options);
          }};
}

}  // namespace spikeloom::formats
