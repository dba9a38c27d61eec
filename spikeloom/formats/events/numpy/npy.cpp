#include "spikeloom/formats/events/numpy/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/numpy/column_reader.h"
#include "spikeloom/formats/events/numpy/npy_array.h"
#include "spikeloom/formats/events/numpy/npy_header.h"

namespace spikeloom::formats {
namespace {

constexpr char kNpyName[] = "npy";

using Windows = std::vector<ColumnReader::Window>;
using Columns = std::vector<ColumnReader::Column>;

/// False if the file ends before.
bool skip(ByteWindow& window, std::int64_t bytes) {
  while (bytes > 0) {
    if (!window.ensure(1)) return false;
    const std::int64_t step = std::min<std::int64_t>(bytes, static_cast<std::int64_t>(window.size()));
    window.consume(static_cast<std::size_t>(step));
    bytes -= step;
  }
  return true;
}

/// How an array of two dimensions holds a table.
struct Table {
  std::int64_t num_rows = 0, num_columns = 0;
  bool column_by_column = false;  // the numbers of a column lie one after the other
};

/// Which dimension is that of the columns: the one of as many as there are columns.
Table table_of(const NpyHeader& header, const std::string& file, const EventReaderOptions& options) {
  const auto wanted =
      static_cast<std::int64_t>(options.columns.empty() ? kNumEventColumns : options.columns.size());
  if (header.shape.size() != 2) refuse_npy(file, "an array of another shape");
  const std::int64_t first = header.shape[0], second = header.shape[1];
  const bool in_rows = second == wanted, in_columns = first == wanted;
  if (in_rows && in_columns && options.columns.empty()) {
    throw FormatError(
        "an array of shape [4, 4] has its events in rows or in columns, which it does not say: give the "
        "order of "
        "the columns (--columns t,x,y,p or another; data.columns) if an event is a row, or save it "
        "transposed",
        file);
  }
  if (in_rows) return {first, second, header.fortran_order};
  if (in_columns) return {second, first, !header.fortran_order};
  refuse_npy(file, fmt::format("an array of shape [{}, {}]", first, second));
}

/// The columns of a table, in one window or, if they lie one after the other, in one each. Returns the rows
/// that can be read: none of a file that is cut before its last column.
std::int64_t table_columns(const NpyHeader& header, const Table& table, const ByteSource& source,
                           const EventReaderOptions& options, Windows* windows, Columns* columns) {
  const bool apart = table.column_by_column && table.num_rows > 1;
  const std::int64_t bytes = header.type.bytes;
  windows->front().row_bytes = apart ? bytes : table.num_columns * bytes;
  std::int64_t num_rows = table.num_rows;
  for (std::int64_t column = 0; column < table.num_columns; ++column) {
    columns->push_back({0, apart ? 0 : column * bytes, header.type, ""});
    const bool is_read = options.columns.empty() || options.columns[static_cast<std::size_t>(column)] != "_";
    if (!apart || column == 0 || !is_read) continue;
    columns->back().window = windows->size();
    std::unique_ptr<ByteSource> again = source.reopen();
    if (again == nullptr) {
      throw FormatError(
          "the columns of the array lie one after the other, which is read from a file only: unpack it, or "
          "save "
          "the array with an event a row (numpy.ascontiguousarray)",
          source.name());
    }
    windows->push_back({ByteWindow(std::move(again)), bytes});
    ByteWindow& window = windows->back().bytes;
    const NpyHeader same = read_npy_header(window);
    if (same.shape != header.shape || same.type.bytes != bytes)
      throw DataError(source.name() + ": is being changed");
    if (skip(window, column * table.num_rows * bytes)) continue;
    if (!options.partial) {
      throw FormatError("the file ends before all of its events: fetch it again", window.name(),
                        window.offset());
    }
    num_rows = 0;
  }
  return num_rows;
}

bool recognizes_npy(const RecordingStart& start) { return is_npy(start.bytes.data(), start.bytes.size()); }

}  // namespace

[[noreturn]] void refuse_npy(const std::string& file, const std::string& what) {
  throw FormatError(
      what +
          ": expected an array with fields t, x, y, p or an array of numbers of shape [N, 4] or "
          "[4, N] (other columns: --columns, as t,x,y,p,_; data.columns)",
      file);
}

std::unique_ptr<EventReader> open_npy_array(const char* format, std::unique_ptr<ByteSource> source,
                                            const EventReaderOptions& options, const ColumnTexts& texts) {
  // The window takes the source over; the archive or file behind it is needed again for columns that lie
  // apart.
  const ByteSource& kept = *source;
  Windows windows;
  windows.push_back({ByteWindow(std::move(source)), 1});
  const NpyHeader header = read_npy_header(windows[0].bytes);
  const std::string file = windows[0].bytes.name();
  Columns columns;
  if (!header.fields.empty()) {
    if (header.shape.size() > 1)
      refuse_npy(file, fmt::format("an array of {} dimensions", header.shape.size()));
    const std::int64_t num_rows = header.shape.empty() ? 1 : header.shape[0];
    windows[0].row_bytes = std::max<std::int64_t>(header.type.bytes, 1);
    std::vector<std::string> names;
    for (const NpyField& field : header.fields) {
      names.push_back(field.name);
      columns.push_back({0, field.place, field.type, field.name});
    }
    const NamedColumns named = read_column_names(names);
    if (options.columns.empty() && !texts.names().empty() &&
        read_column_names(texts.names()).places != named.places) {
      throw FormatError(
          fmt::format("an array with the fields {}, beside which its columns are named {}: give "
                      "the order (--columns t,x,y,p or another; data.columns)",
                      shown_column_names(names), shown_column_names(texts.names())),
          file);
    }
    if (options.columns.empty() && !named.is_sure()) refuse_npy(file, "an array with " + named.fault());
    const ColumnPlaces places =
        options.columns.empty() ? named.places : columns_as_given(options, names.size(), file);
    return std::make_unique<ColumnReader>(format, std::move(windows), columns, places, num_rows, options);
  }
  const Table table = table_of(header, file, options);
  if (!header.type.is_integer() && !header.type.is_real())
    refuse_npy(file, "an array that does not hold numbers");
  const std::int64_t num_rows = table_columns(header, table, kept, options, &windows, &columns);
  if (!options.columns.empty()) {
    const ColumnPlaces places = columns_as_given(options, columns.size(), file);
    return std::make_unique<ColumnReader>(format, std::move(windows), columns, places, num_rows, options);
  }
  if (!texts.unclear().empty()) {
    throw FormatError(fmt::format("'{:.40}' beside the array may name its columns, but their order is not "
                                  "certain from it: give the order (--columns t,x,y,p or another; "
                                  "data.columns)",
                                  texts.unclear()),
                      file);
  }
  const bool by_value = texts.names().empty();
  const ColumnPlaces places = by_value ? ColumnReader::find_order(windows, columns, num_rows, options)
                                       : read_column_names(texts.names()).places;
  for (std::size_t i = 0; i < texts.names().size(); ++i) columns[i].name = texts.names()[i];
  return std::make_unique<ColumnReader>(format, std::move(windows), columns, places, num_rows, options,
                                        by_value);
}

EventFormat npy_format() {
  return {"npy", kNpyName, recognizes_npy,
          [](std::unique_ptr<ByteSource> source, const RecordingStart&, const EventReaderOptions& options) {
            return open_npy_array(kNpyName, std::move(source), options);
          }};
}

}  // namespace spikeloom::formats
