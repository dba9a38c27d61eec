#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace spikeloom::formats {

/// What a comment or an attribute says about the order of four columns.
struct ColumnWords {
  /// Of the four columns in their order, as read_column_names() takes them, t with its unit ("t_us") where
  /// the text has one; empty if the text does not settle it.
  std::vector<std::string> names;
  bool has_x_and_y = false;  ///< both are spoken of
  bool mentions = false;     ///< so much is said of columns that an order may be meant
};

/// Reads prose and lists: "Order is y x t p", "columns are t, y, x and p", "event format is <timestamp> <y>
/// <x> <polarity>", "1st column: time, 2nd: y, 3rd: x, 4th: polarity", "t y x p # microseconds". The words of
/// columns (read_column_names(), x_coord, y_coordinate) count in their order, each kind once; "row", "column"
/// and "on" only where nothing else stands for y, x and p. Between them may be words without a meaning for
/// the order, one unit of time, brackets without such words in them, and numbers that count the columns. Any
/// other word leaves the order open. Of a long text the first 4096 bytes are read.
ColumnWords read_column_words(std::string_view text);

}  // namespace spikeloom::formats
