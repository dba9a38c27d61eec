#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spikeloom/formats/events/columns/event_times.h"

namespace spikeloom::formats {

/// How the lines of a csv file are read: by its first line that is no comment.
struct CsvLayout {
  char separator = ',';
  std::vector<std::string> names;  ///< of the columns, without quotes; empty if the first line is a row
  std::size_t num_columns = 0;
};

/// Nullopt if the line is neither a row of numbers nor a row of names.
std::optional<CsvLayout> csv_layout(std::string_view first_line);

/// The first of comma, semicolon, tab and space that the line has; a comma if none.
char csv_separator(std::string_view line);

/// Whether a line is skipped: empty, white space or a comment.
bool is_csv_comment(std::string_view line);

/// Without white space before and after.
std::string_view csv_trimmed(std::string_view text);

/// Takes the next field off the line, without white space and quotes around it. Spaces separate in runs.
std::string_view next_csv_field(std::string_view* line, char separator);

/// All fields of a line.
std::vector<std::string_view> csv_fields(std::string_view line, char separator);

/// A number in digits, with sign, decimal point and exponent or without: 12, -1.0, 1.000000e+02.
std::optional<Decimal> csv_decimal(std::string_view field);

/// A whole number, also written as 12.0, 1.2e1, true or false.
std::optional<std::int64_t> csv_number(std::string_view field);

}  // namespace spikeloom::formats
