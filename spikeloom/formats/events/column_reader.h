#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/careful_reader.h"
#include "spikeloom/formats/events/event_columns.h"
#include "spikeloom/formats/events/npy_header.h"

namespace spikeloom::formats {

/// Reads events from binary tables of integers: rows in one window, or each column in a window of its own.
class ColumnReader : public CarefulReader {
 public:
  /// Where the numbers of one column are.
  struct Column {
    std::size_t window = 0;
    std::int64_t place = 0;  ///< of the number in a row of its window
    NpyType type;
  };
  struct Window {
    ByteWindow bytes;
    std::int64_t row_bytes = 0;
  };

  /// `windows` stand at their first rows; each has `num_rows`. Columns that `places` does not name are not
  /// looked at. Throws FormatError if a column that is needed is no integer or its rows do not fit in a
  /// window.
  ColumnReader(const char* format, std::vector<Window> windows, std::vector<Column> columns,
               const ColumnPlaces& places, std::int64_t num_rows, const EventReaderOptions& options);

  /// The order of four columns without names; see columns_by_content(). Throws FormatError if there is none.
  static ColumnPlaces find_order(std::vector<Window>& windows, const std::vector<Column>& columns,
                                 std::int64_t num_rows);

  const char* format() const override { return format_; }

 private:
  void decode(events::Event* events, std::size_t capacity, std::size_t* count) override;
  /// Rows that lie in all windows, at most `wanted` and at least 1.
  std::size_t rows_at_hand(std::size_t wanted);
  std::int64_t value(EventColumn column, std::size_t row) const;
  std::int64_t offset(EventColumn column, std::size_t row) const;

  const char* format_;
  std::vector<Window> windows_;
  std::array<Column, kNumEventColumns> columns_;
  std::array<bool, kNumEventColumns> has_column_{};
  std::int64_t left_;  // rows
};

}  // namespace spikeloom::formats
