#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom::formats {

/// How the lines of a csv file are read: by its first line that is no comment.
struct CsvLayout {
  char separator = ',';
  std::vector<std::string> names;  ///< of the columns, without quotes; empty if the first line is a row
  std::size_t num_columns = 0;
};

/// Nullopt if the line is neither a row of numbers nor a row of names.
std::optional<CsvLayout> csv_layout(std::string_view first_line);

/// Whether a line is skipped: empty, white space or a comment.
bool is_csv_comment(std::string_view line);

/// Takes the next field off the line, without white space and quotes around it. Spaces separate in runs.
std::string_view next_csv_field(std::string_view* line, char separator);

/// A whole number, also written as 12.0, true or false.
std::optional<std::int64_t> csv_number(std::string_view field);

}  // namespace spikeloom::formats
