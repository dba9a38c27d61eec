#include "spikeloom/formats/events/column_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace spikeloom::formats {
namespace {

constexpr std::size_t kLookRows = 4096;
constexpr const char* kColumnNames[] = {"t", "x", "y", "p"};

std::size_t rows_in(ColumnReader::Window& window, std::size_t wanted) {
  const auto row_bytes = static_cast<std::size_t>(window.row_bytes);
  const std::size_t most = std::min(wanted, ByteWindow::kCapacity / row_bytes);
  window.bytes.ensure(most * row_bytes);
  return std::min(wanted, window.bytes.size() / row_bytes);
}

}  // namespace

ColumnReader::ColumnReader(const char* format, std::vector<Window> windows, std::vector<Column> columns,
                           const ColumnPlaces& places, std::int64_t num_rows,
                           const EventReaderOptions& options)
    : CarefulReader(options.width, options.height),
      format_(format),
      windows_(std::move(windows)),
      left_(num_rows) {
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (places[i] < 0) continue;
    has_column_[i] = true;
    columns_[i] = columns[static_cast<std::size_t>(places[i])];
    const ByteWindow& window = windows_[columns_[i].window].bytes;
    if (!columns_[i].type.is_integer()) {
      throw FormatError(
          fmt::format("column {} is of type {}{}, but only integers are read (t in microseconds): save "
                      "it as integers, so that its unit is sure",
                      kColumnNames[i], columns_[i].type.kind, columns_[i].type.bytes),
          window.name(), window.offset());
    }
  }
}

ColumnPlaces ColumnReader::find_order(std::vector<Window>& windows, const std::vector<Column>& columns,
                                      std::int64_t num_rows) {
  std::size_t rows = static_cast<std::size_t>(std::min<std::int64_t>(num_rows, kLookRows));
  for (Window& window : windows) rows = std::min(rows, rows_in(window, rows));
  for (const Column& column : columns) {
    if (!column.type.is_integer()) return {0, 1, 2, 3};  // is refused by its type
  }
  const auto places = columns_by_content(rows, [&](std::size_t row, int index) {
    const Column& column = columns[static_cast<std::size_t>(index)];
    const Window& window = windows[column.window];
    return column.type.load(window.bytes.data() + static_cast<std::int64_t>(row) * window.row_bytes +
                            column.place);
  });
  if (places) return *places;
  const ByteWindow& window = windows[0].bytes;
  throw FormatError(
      "the four columns are in none of the orders (t, x, y, p), (x, y, t, p), (x, y, p, t): save the events "
      "with "
      "named fields t, x, y, p",
      window.name(), window.offset());
}

std::size_t ColumnReader::rows_at_hand(std::size_t wanted) {
  wanted = static_cast<std::size_t>(std::min<std::int64_t>(left_, static_cast<std::int64_t>(wanted)));
  for (Window& window : windows_) {
    const std::size_t rows = rows_in(window, wanted);
    if (rows == 0) {
      throw FormatError(
          fmt::format("the file ends before the last {} of its events; fetch the file again", left_),
          window.bytes.name(), window.bytes.offset());
    }
    wanted = std::min(wanted, rows);
  }
  return wanted;
}

std::int64_t ColumnReader::value(EventColumn column, std::size_t row) const {
  const Column& where = columns_[column];
  const Window& window = windows_[where.window];
  return where.type.load(window.bytes.data() + static_cast<std::int64_t>(row) * window.row_bytes +
                         where.place);
}

std::int64_t ColumnReader::offset(EventColumn column, std::size_t row) const {
  const Column& where = columns_[column];
  const Window& window = windows_[where.window];
  return window.bytes.offset() + static_cast<std::int64_t>(row) * window.row_bytes + where.place;
}

void ColumnReader::decode(events::Event* events, std::size_t capacity, std::size_t* count) {
  if (left_ == 0) return;
  const std::size_t rows = rows_at_hand(capacity);
  const std::string& file = windows_[0].bytes.name();
  for (std::size_t row = 0; row < rows; ++row) {
    const std::int64_t x = value(kColumnX, row);
    const std::int64_t y = has_column_[kColumnY] ? value(kColumnY, row) : 0;
    check_pixel(x, y, file, offset(kColumnX, row));
    const std::int64_t p = has_column_[kColumnP] ? value(kColumnP, row) : 1;
    const auto polarity = polarity_of(p);
    if (!polarity) {
      throw FormatError(fmt::format("a polarity of {}; there are 0 or -1 (off) and 1 (on)", p), file,
                        offset(kColumnP, row));
    }
    events[row] = {value(kColumnT, row), static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                   *polarity};
    *count = row + 1;
  }
  for (Window& window : windows_) window.bytes.consume(rows * static_cast<std::size_t>(window.row_bytes));
  left_ -= static_cast<std::int64_t>(rows);
}

}  // namespace spikeloom::formats
