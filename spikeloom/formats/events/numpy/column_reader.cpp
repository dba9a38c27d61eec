#include "spikeloom/formats/events/numpy/column_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "spikeloom/base/text.h"
#include "spikeloom/formats/events/columns/event_times.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kLookRows = 4096;
constexpr double kMostWhole = 1e18;  // of a whole number in floating point

std::size_t rows_in(ColumnReader::Window& window, std::size_t wanted) {
  const auto row_bytes = static_cast<std::size_t>(window.row_bytes);
  const std::size_t most = std::min(wanted, ByteWindow::kCapacity / row_bytes);
  window.bytes.ensure(most * row_bytes);
  return std::min(wanted, window.bytes.size() / row_bytes);
}

std::size_t rows_to_look_at(std::vector<ColumnReader::Window>& windows, std::int64_t num_rows) {
  auto rows = static_cast<std::size_t>(std::min<std::int64_t>(num_rows, kLookRows));
  for (ColumnReader::Window& window : windows) rows = std::min(rows, rows_in(window, rows));
  return rows;
}

const std::uint8_t* number_at(const std::vector<ColumnReader::Window>& windows,
                              const ColumnReader::Column& column, std::size_t row) {
  const ColumnReader::Window& window = windows[column.window];
  return window.bytes.data() + static_cast<std::int64_t>(row) * window.row_bytes + column.place;
}

}  // namespace

ColumnReader::ColumnReader(const char* format, std::vector<Window> windows, std::vector<Column> columns,
                           const ColumnPlaces& places, std::int64_t num_rows,
                           const EventReaderOptions& options, bool order_is_by_value)
    : TableReader(options),
      format_(format),
      windows_(std::move(windows)),
      num_rows_(num_rows),
      left_(num_rows) {
  if (order_is_by_value && num_rows > 0) columns_by_value_ = order_text(places);
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (places[i] < 0) continue;
    has_column_[i] = true;
    columns_[i] = columns[static_cast<std::size_t>(places[i])];
    const NpyType& type = columns_[i].type;
    if (!type.is_integer() && !type.is_real()) {
      const ByteWindow& window = windows_[columns_[i].window].bytes;
      throw FormatError(
          fmt::format("column {} is of type {}{}, but integers and floating-point numbers are read",
                      kEventColumnNames[i], type.kind, type.bytes),
          window.name(), window.offset());
    }
  }
  const NpyType& polarities = columns_[kColumnP].type;
  wrapped_polarity_ = polarities.wrapped_minus_one();
  if (has_column_[kColumnP] && polarities.kind == 'u') sure_polarity_.set(wrapped_polarity_);
  find_unit(options.time_unit);
}

void ColumnReader::find_unit(TimeUnit asked) {
  const Column& column = columns_[kColumnT];
  unit_ = asked;
  if (unit_ == TimeUnit::kFile) unit_ = column.type.time_unit;
  if (unit_ == TimeUnit::kFile) unit_ = time_unit_in_name(column.name);
  if (unit_ != TimeUnit::kFile) return;
  unit_ = TimeUnit::kMicroseconds;
  if (!column.type.is_real()) return;
  TimeUnitFinder finder;
  const std::size_t rows = rows_to_look_at(windows_, num_rows_);
  for (std::size_t row = 0; row < rows; ++row) {
    finder.see(column.type.load_real(at(kColumnT, row)), column.type.bytes);
  }
  const auto unit = finder.unit();
  if (!unit) {
    throw FormatError(TimeUnitFinder::question(), windows_[column.window].bytes.name(), offset(kColumnT, 0));
  }
  unit_ = *unit;
}

ColumnPlaces ColumnReader::find_order(std::vector<Window>& windows, const std::vector<Column>& columns,
                                      std::int64_t num_rows, const EventReaderOptions& options) {
  const NpyType& type = columns[0].type;
  if (!type.is_integer() && !type.is_real()) return {0, 1, 2, 3};  // is refused by its type
  ColumnOrderFinder finder(options.width, options.height, options.drop_outside);
  const auto places = finder.find(
      rows_to_look_at(windows, num_rows),
      [&](std::size_t row, int index) {
        const Column& column = columns[static_cast<std::size_t>(index)];
        return column.type.load_real(number_at(windows, column, row));
      },
      type.kind == 'u' ? wrapped_minus_one_real(type.bytes) : 0);
  if (places) return *places;
  throw FormatError(finder.question(), windows[0].bytes.name(), windows[0].bytes.offset());
}

std::size_t ColumnReader::rows_at_hand(std::size_t wanted) {
  wanted = static_cast<std::size_t>(std::min<std::int64_t>(left_, static_cast<std::int64_t>(wanted)));
  for (Window& window : windows_) {
    const std::size_t rows = rows_in(window, wanted);
    if (rows == 0 && !partial_) {
      throw FormatError(
          fmt::format("the file is cut short, {} before its end: fetch the file again, or read what is "
                      "there (--partial, data.partial)",
                      counted(left_, "event")),
          window.bytes.name(), window.bytes.offset());
    }
    wanted = std::min(wanted, rows);
  }
  return wanted;
}

const std::uint8_t* ColumnReader::at(EventColumn column, std::size_t row) const {
  return number_at(windows_, columns_[column], row);
}

std::int64_t ColumnReader::value(EventColumn column, std::size_t row) const {
  return columns_[column].type.load(at(column, row));
}

std::int64_t ColumnReader::whole(EventColumn column, std::size_t row) const {
  if (!columns_[column].type.is_real()) return value(column, row);
  const double number = columns_[column].type.load_real(at(column, row));
  if (!(std::abs(number) < kMostWhole) || number != std::floor(number)) {
    throw FormatError(fmt::format("{} is {}, which is not a whole number", kEventColumnNames[column], number),
                      windows_[0].bytes.name(), offset(column, row));
  }
  return static_cast<std::int64_t>(number);
}

std::int64_t ColumnReader::time_us(std::size_t row) const {
  const NpyType& type = columns_[kColumnT].type;
  const std::uint8_t* data = at(kColumnT, row);
  std::optional<std::int64_t> us;
  if (type.is_real()) {
    us = real_to_us(type.load_real(data), unit_);
  } else {
    const std::int64_t ticks = type.load(data);
    if (ticks >= 0 || !type.is_unsigned_64()) us = ticks_to_us(ticks, unit_);
  }
  if (us) return *us;
  throw FormatError(
      fmt::format("a time of {} {}, which does not fit into 64 bits of microseconds",
                  type.is_real()          ? fmt::format("{}", type.load_real(data))
                  : type.is_unsigned_64() ? fmt::format("{}", static_cast<std::uint64_t>(type.load(data)))
                                          : fmt::format("{}", type.load(data)),
                  time_unit_name(unit_)),
      windows_[0].bytes.name(), offset(kColumnT, row));
}

std::int64_t ColumnReader::offset(EventColumn column, std::size_t row) const {
  const Column& where = columns_[column];
  const Window& window = windows_[where.window];
  return window.bytes.offset() + static_cast<std::int64_t>(row) * window.row_bytes + where.place;
}

bool ColumnReader::place_is_inside(std::int64_t x, std::int64_t y, std::size_t row) {
  if (is_inside(x, y)) return true;
  if (!drop_outside_) throw FormatError(outside(x, y), windows_[0].bytes.name(), offset(kColumnX, row));
  ++dropped_;
  return false;
}

std::uint8_t ColumnReader::polarity(std::int64_t number, std::size_t row) {
  const auto polarity = polarity_of(number, wrapped_polarity_);
  if (!polarity)
    refuse_polarity(fmt::format("a polarity of {}; there are 0 or -1 (off) and 1 (on)", number), row);
  if (!sure_polarity_.see(number)) refuse_polarity(sure_polarity_.question(), row);
  return *polarity;
}

void ColumnReader::refuse_polarity(const std::string& what, std::size_t row) const {
  throw FormatError(what, windows_[0].bytes.name(), offset(kColumnP, row));
}

bool ColumnReader::load_block(EventColumn which, std::size_t first, std::size_t count,
                              std::int64_t* numbers) const {
  const Column& column = columns_[which];
  const std::int64_t stride = windows_[column.window].row_bytes;
  if (column.type.is_real()) {
    std::array<double, kBlockRows> reals;
    column.type.load_many_real(at(which, first), stride, count, reals.data());
    bool good = true;
    for (std::size_t i = 0; i < count && which == kColumnT; ++i) {
      const auto us = real_to_us(reals[i], unit_);
      if (!us) return false;
      numbers[i] = *us;
    }
    for (std::size_t i = 0; i < count && which != kColumnT; ++i) {
      good &= std::abs(reals[i]) < kMostWhole;
      numbers[i] = static_cast<std::int64_t>(good ? reals[i] : 0);
      good &= static_cast<double>(numbers[i]) == reals[i];
    }
    return good;
  }
  column.type.load_many(at(which, first), stride, count, numbers);
  if (which != kColumnT) return true;
  const bool too_large = column.type.is_unsigned_64() &&
                         std::any_of(numbers, numbers + count, [](std::int64_t ticks) { return ticks < 0; });
  if (too_large) return false;
  for (std::size_t i = 0; i < count && unit_ != TimeUnit::kMicroseconds; ++i) {
    const auto us = ticks_to_us(numbers[i], unit_);
    if (!us) return false;
    numbers[i] = *us;
  }
  return true;
}

void ColumnReader::decode_singly(std::size_t first, std::size_t rows, events::Event* events,
                                 std::size_t* count) {
  for (std::size_t row = first; row < first + rows; ++row) {
    const std::int64_t x = whole(kColumnX, row);
    const std::int64_t y = has_column_[kColumnY] ? whole(kColumnY, row) : 0;
    if (!place_is_inside(x, y, row)) continue;
    const std::int64_t p = has_column_[kColumnP] ? whole(kColumnP, row) : 1;
    const std::uint8_t on = polarity(p, row);
    const std::int64_t t = time_us(row);
    events[(*count)++] = {t, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y), on};
  }
}

void ColumnReader::decode_rows(std::size_t rows, events::Event* events, std::size_t* count) {
  std::array<std::array<std::int64_t, kBlockRows>, kNumEventColumns> block;
  Numbers numbers;
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    numbers[i] = block[i].data();
    if (!has_column_[i]) block[i].fill(i == kColumnP ? 1 : 0);
  }
  for (std::size_t first = 0; first < rows; first += kBlockRows) {
    const std::size_t size = std::min(rows - first, kBlockRows);
    bool good = true;
    for (const EventColumn i : {kColumnT, kColumnX, kColumnY, kColumnP}) {
      good = good && (!has_column_[i] || load_block(i, first, size, block[i].data()));
    }
    if (good && write_plain(numbers, size, wrapped_polarity_, &sure_polarity_, events + *count)) {
      *count += size;
    } else {
      decode_singly(first, size, events, count);
    }
  }
}

bool ColumnReader::decode(events::Event* events, std::size_t capacity, std::size_t* count) {
  if (left_ == 0) return false;
  const std::size_t rows = rows_at_hand(capacity);
  if (rows == 0) {
    // What is there of the columns, less the rows that were given.
    for (Window& window : windows_) {
      const std::int64_t whole_rows = left_ * window.row_bytes;
      std::int64_t bytes = 0;
      while (bytes < whole_rows && window.bytes.ensure(1)) {
        const std::int64_t step =
            std::min<std::int64_t>(whole_rows - bytes, static_cast<std::int64_t>(window.bytes.size()));
        window.bytes.consume(static_cast<std::size_t>(step));
        bytes += step;
      }
      unread_ += bytes;
    }
    left_ = 0;
    return false;
  }
  decode_rows(rows, events, count);
  for (Window& window : windows_) window.bytes.consume(rows * static_cast<std::size_t>(window.row_bytes));
  left_ -= static_cast<std::int64_t>(rows);
  return true;
}

}  // namespace spikeloom::formats
