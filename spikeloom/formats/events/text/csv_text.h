#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "spikeloom/formats/byte_window.h"

namespace spikeloom::formats {

/// The lines of a text, looked at one after the other.
class CsvText {
 public:
  explicit CsvText(std::unique_ptr<ByteSource> source);

  /// The next line, without its end, as long as the window stands there; false at the end of the file. Throws
  /// FormatError for a line above 16 KiB.
  bool look(std::string_view* line);
  /// Goes past the line last looked at.
  void take() {
    window_.consume(line_bytes_);
    ++number_;
  }
  /// Whether the line last looked at ends with the file instead of with a line feed.
  bool is_open_ended() const { return open_ended_; }
  std::int64_t line_bytes() const { return static_cast<std::int64_t>(line_bytes_); }
  /// Whole lines at hand, at most 64 KiB, from the one that is looked at next.
  std::string_view lines_at_hand();
  const std::string& name() const { return window_.name(); }

  /// Throws FormatError for the line last looked at.
  [[noreturn]] void refuse(const std::string& what) const;
  /// The same for a part of that line; `column` counts from 0.
  [[noreturn]] void refuse_field(std::string_view field, std::size_t column, const std::string& wanted) const;

 private:
  ByteWindow window_;
  std::int64_t number_ = 1;
  std::size_t line_bytes_ = 0;  // of the line last looked at, with its end
  bool open_ended_ = false;
};

}  // namespace spikeloom::formats
