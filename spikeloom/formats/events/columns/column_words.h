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

/// What texts with names that lie beside a table (attributes of HDF5, arrays of an npz) say of its columns.
class ColumnTexts {
 public:
  /// Whether a text of this name is meant for the columns: "columns", "names", "order", ...
  static bool is_meant(const std::string& name);
  /// `must_say`: one that does not settle the order leaves it open.
  void see(const std::string& name, const std::string& text, bool must_say);
  /// ColumnWords::names of the texts that have any; empty if there are none or the order is not sure.
  const std::vector<std::string>& names() const { return names_; }
  /// A text that may mean an order and does not settle it, or settles another; "" if there is none.
  const std::string& unclear() const { return unclear_; }

 private:
  std::vector<std::string> names_;
  std::string unclear_;
};

}  // namespace spikeloom::formats
