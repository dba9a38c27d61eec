#include "spikeloom/formats/events/text/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "spikeloom/formats/events/columns/table_reader.h"
#include "spikeloom/formats/events/text/csv_head.h"
#include "spikeloom/formats/events/text/csv_line.h"
#include "spikeloom/formats/events/text/csv_text.h"

namespace spikeloom::formats {
namespace {

constexpr char kCsvName[] = "csv";

/// Takes a field of digits alone, up to 18 of them and with a sign or none, off the line; false for any
/// other, which is then left as it is. The usual case, so it is short.
bool take_digits(std::string_view* line, char separator, std::int64_t* number) {
  constexpr int kMaxDigits = 18;
  const char *at = line->data(), *end = at + line->size();
  while (at != end && *at == ' ') ++at;
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  const char* first = at;
  std::int64_t value = 0;
  for (; at != end; ++at) {
    const auto digit = static_cast<unsigned>(*at - '0');
    if (digit > 9) break;
    if (at - first == kMaxDigits) return false;
    value = 10 * value + digit;
  }
  if (at == first) return false;
  if (at != end && *at == separator) {
    ++at;
  } else if (at != end && !(*at == '\r' && at + 1 == end)) {
    return false;
  } else {
    at = end;
  }
  *number = negative ? -value : value;
  *line = std::string_view(at, static_cast<std::size_t>(end - at));
  return true;
}

class CsvReader : public TableReader {
 public:
  CsvReader(std::unique_ptr<ByteSource> source, const EventReaderOptions& options)
      : TableReader(options), text_(std::move(source)), head_(read_csv_head(text_, options)) {
    if (width_ == 0 && height_ == 0) {
      width_ = head_.width;
      height_ = head_.height;
    }
    if (head_.order_is_by_value) columns_by_value_ = order_text(head_.places);
    what_.fill(-1);
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      const int place = head_.places[i];
      if (place < 0) continue;
      num_read_ = std::max(num_read_, place + 1);
      what_[static_cast<std::size_t>(place)] = static_cast<int>(i);
    }
  }

  const char* format() const override { return kCsvName; }

 private:
  bool decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    std::string_view line;
    while (*count < capacity) {
      if (!text_.look(&line)) return false;
      // Of a last line without its end nothing says that it is whole.
      if (partial_ && text_.is_open_ended()) {
        unread_ = text_.line_bytes();
        text_.take();
        return false;
      }
      if (!is_csv_comment(line)) *count += decode_line(line, events + *count) ? 1 : 0;
      text_.take();
    }
    return true;
  }

  /// False if the event is outside of the sensor and left out.
  bool decode_line(std::string_view line, events::Event* event) {
    std::int64_t values[kNumEventColumns] = {0, 0, 0, 1};
    for (int column = 0; column < num_read_; ++column) {
      if (line.empty()) refuse_short_line(column);
      const int what = what_[static_cast<std::size_t>(column)];
      if (what < 0) {
        next_csv_field(&line, head_.separator);
        continue;
      }
      std::int64_t& value = values[what];
      const bool is_time = what == kColumnT;
      if ((!is_time || head_.time_unit == TimeUnit::kMicroseconds) &&
          take_digits(&line, head_.separator, &value)) {
        continue;
      }
      const std::string_view field = next_csv_field(&line, head_.separator);
      const auto number = is_time ? time_us(field) : csv_number(field);
      if (!number) refuse_field(field, column);
      value = *number;
    }
    const auto polarity = polarity_of(values[kColumnP]);
    if (!polarity)
      text_.refuse(fmt::format("a polarity of {}; there are 0 or -1 (off) and 1 (on)", values[kColumnP]));
    if (!is_inside(values[kColumnX], values[kColumnY])) {
      if (!drop_outside_) text_.refuse(outside(values[kColumnX], values[kColumnY]));
      ++dropped_;
      return false;
    }
    *event = {values[kColumnT], static_cast<std::uint16_t>(values[kColumnX]),
              static_cast<std::uint16_t>(values[kColumnY]), *polarity};
    return true;
  }

  /// Times in microseconds are whole, so that a text of seconds is not cut to zeros.
  std::optional<std::int64_t> time_us(std::string_view field) const {
    if (head_.time_unit == TimeUnit::kMicroseconds) return csv_number(field);
    const auto decimal = csv_decimal(field);
    return decimal ? decimal_to_us(*decimal, head_.time_unit) : std::nullopt;
  }

  [[noreturn]] void refuse_field(std::string_view field, int column) const {
    const auto what = static_cast<std::size_t>(what_[static_cast<std::size_t>(column)]);
    std::string wanted = fmt::format("a whole number ({})", kEventColumnNames[what]);
    if (what == kColumnT) {
      wanted =
          head_.time_unit == TimeUnit::kMicroseconds
              ? "a time in whole microseconds (another unit: --time-unit s, ms, us or ns; data.time_unit)"
              : fmt::format("a time in {}", time_unit_name(head_.time_unit));
    }
    text_.refuse_field(field, static_cast<std::size_t>(column), wanted);
  }

  [[noreturn]] void refuse_short_line(int column) const {
    std::string missing;
    for (int i = column; i < num_read_; ++i) {
      const int what = what_[static_cast<std::size_t>(i)];
      if (what >= 0) missing += (missing.empty() ? "" : ", ") + std::string(kEventColumnNames[what]);
    }
    text_.refuse(fmt::format(
        "{} columns; {} {} missing{}", column, missing, missing.size() > 1 ? "are" : "is",
        text_.is_open_ended() ? ", so the file is cut off: --partial (data.partial) reads what comes before"
                              : ""));
  }

  CsvText text_;
  CsvHead head_;
  int num_read_ = 0;                      // columns up to the last one that is read
  std::array<int, kMaxCsvColumns> what_;  // is in a column: an EventColumn, or -1
};

bool recognizes_csv(const RecordingStart& start) {
  constexpr std::size_t kTextBytes = 4096;
  const std::string_view text(reinterpret_cast<const char*>(start.bytes.data()),
                              std::min(start.bytes.size(), kTextBytes));
  return begins_as_csv(text, text.size() == kTextBytes);
}

}  // namespace

EventFormat csv_format() {
  return {"csv", kCsvName, recognizes_csv,
          [](std::unique_ptr<ByteSource> source, const RecordingStart&,
             const EventReaderOptions& options) -> std::unique_ptr<EventReader> {
            return std::make_unique<CsvReader>(std::move(source), options);
          }};
}

}  // namespace spikeloom::formats
