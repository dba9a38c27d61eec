#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/columns/table_reader.h"
#include "spikeloom/formats/events/numpy/npy_header.h"

namespace spikeloom::formats {

/// Reads events from binary tables of numbers: rows in one window, or each column in a window of its own.
/// Integer times are microseconds, floating-point ones what TimeUnitFinder finds in the first rows, unless
/// the column's name, its type or the options say a unit. Coordinates and polarities are whole numbers of any
/// type.
class ColumnReader : public TableReader {
 public:
  /// Where the numbers of one column are.
  struct Column {
    std::size_t window = 0;
    std::int64_t place = 0;  ///< of the number in a row of its window
    NpyType type;
    std::string name;  ///< if it has one
  };
  struct Window {
    ByteWindow bytes;
    std::int64_t row_bytes = 0;
  };

  /// `windows` stand at their first rows; each has `num_rows`. Columns that `places` does not name are not
  /// looked at. Throws FormatError if a column that is needed is no number, or the unit of the times is not
  /// sure. `order_is_by_value`: places are what find_order() found.
  ColumnReader(const char* format, std::vector<Window> windows, std::vector<Column> columns,
               const ColumnPlaces& places, std::int64_t num_rows, const EventReaderOptions& options,
               bool order_is_by_value = false);

  /// The order of four columns without names (ColumnOrderFinder). Throws FormatError if it is not sure.
  static ColumnPlaces find_order(std::vector<Window>& windows, const std::vector<Column>& columns,
                                 std::int64_t num_rows, const EventReaderOptions& options);

  const char* format() const override { return format_; }

 private:
  bool decode(events::Event* events, std::size_t capacity, std::size_t* count) override;
  /// Rows that lie in all windows, at most `wanted`; 0 if the recording is cut there.
  std::size_t rows_at_hand(std::size_t wanted);
  void find_unit(TimeUnit asked);
  void decode_rows(std::size_t rows, events::Event* events, std::size_t* count);
  void decode_singly(std::size_t first, std::size_t rows, events::Event* events, std::size_t* count);
  /// Whole numbers of some rows, times in microseconds; false if one of them is none or too large.
  bool load_block(EventColumn which, std::size_t first, std::size_t count, std::int64_t* numbers) const;
  bool place_is_inside(std::int64_t x, std::int64_t y, std::size_t row);
  std::uint8_t polarity(std::int64_t number, std::size_t row);
  [[noreturn]] void refuse_polarity(const std::string& what, std::size_t row) const;
  const std::uint8_t* at(EventColumn column, std::size_t row) const;
  std::int64_t value(EventColumn column, std::size_t row) const;
  /// A whole number of any type.
  std::int64_t whole(EventColumn column, std::size_t row) const;
  std::int64_t time_us(std::size_t row) const;
  std::int64_t offset(EventColumn column, std::size_t row) const;

  const char* format_;
  std::vector<Window> windows_;
  std::array<Column, kNumEventColumns> columns_;
  std::array<bool, kNumEventColumns> has_column_{};
  std::int64_t num_rows_, left_;
  TimeUnit unit_ = TimeUnit::kMicroseconds;
  std::int64_t wrapped_polarity_ = -1;
  WrappedPolarity sure_polarity_;
};

}  // namespace spikeloom::formats
