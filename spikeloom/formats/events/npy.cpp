#include "spikeloom/formats/events/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/column_reader.h"
#include "spikeloom/formats/events/event_columns.h"
#include "spikeloom/formats/events/npy_header.h"
#include "spikeloom/formats/events/partial_source.h"

namespace spikeloom::formats {
namespace {

constexpr char kNpyName[] = "npy", kNpzName[] = "npz";
constexpr char kExtension[] = ".npy";

using Windows = std::vector<ColumnReader::Window>;
using Columns = std::vector<ColumnReader::Column>;

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw FormatError(
      what +
          ": wanted are an array with fields t, x, y, p or an array of numbers of shape [N, 4] or "
          "[4, N] (other columns: --columns, as t,x,y,p,_; data.columns)",
      file);
}

std::unique_ptr<ByteSource> whole_or_partial(std::unique_ptr<ByteSource> source,
                                             const EventReaderOptions& options) {
  return options.partial ? partial_source(std::move(source)) : std::move(source);
}

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
  if (header.shape.size() != 2) refuse(file, "an array of another shape");
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
  refuse(file, fmt::format("an array of shape [{}, {}]", first, second));
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

/// One array that holds whole events.
std::unique_ptr<EventReader> open_array(const char* format, std::unique_ptr<ByteSource> source,
                                        const EventReaderOptions& options) {
  // The window takes the source over; the archive or file behind it is needed again for columns that lie
  // apart.
  const ByteSource& kept = *source;
  Windows windows;
  windows.push_back({ByteWindow(std::move(source)), 1});
  const NpyHeader header = read_npy_header(windows[0].bytes);
  const std::string file = windows[0].bytes.name();
  Columns columns;
  if (!header.fields.empty()) {
    if (header.shape.size() > 1) refuse(file, fmt::format("an array of {} dimensions", header.shape.size()));
    const std::int64_t num_rows = header.shape.empty() ? 1 : header.shape[0];
    windows[0].row_bytes = std::max<std::int64_t>(header.type.bytes, 1);
    std::vector<std::string> names;
    for (const NpyField& field : header.fields) {
      names.push_back(field.name);
      columns.push_back({0, field.place, field.type, field.name});
    }
    const NamedColumns named = read_column_names(names);
    if (options.columns.empty() && !named.is_sure()) refuse(file, "an array with " + named.fault());
    const ColumnPlaces places =
        options.columns.empty() ? named.places : columns_as_given(options, names.size(), file);
    return std::make_unique<ColumnReader>(format, std::move(windows), columns, places, num_rows, options);
  }
  const Table table = table_of(header, file, options);
  if (!header.type.is_integer() && !header.type.is_real()) refuse(file, "an array of no numbers");
  const std::int64_t num_rows = table_columns(header, table, kept, options, &windows, &columns);
  const ColumnPlaces places = options.columns.empty()
                                  ? ColumnReader::find_order(windows, columns, num_rows, options)
                                  : columns_as_given(options, columns.size(), file);
  return std::make_unique<ColumnReader>(format, std::move(windows), columns, places, num_rows, options,
                                        options.columns.empty());
}

/// Whether an array of an npz is a column of so many numbers.
bool is_column(const std::string& path, const std::string& name, std::int64_t num_rows) {
  try {
    ByteWindow window(open_archive_member(path, name + kExtension));
    const NpyHeader header = read_npy_header(window);
    return header.shape.size() == 1 && header.shape[0] == num_rows;
  } catch (const FormatError&) {
    return false;  // such as a pickle: it is not read
  }
}

/// Throws FormatError if an array of an unknown name may be the y or p that is missing.
void check_others(const std::string& path, const NamedColumns& all, std::int64_t num_rows) {
  if (all.is_sure()) return;
  NamedColumns named = all;
  named.unknown.clear();
  for (const std::string& name : all.unknown) {
    if (is_column(path, name, num_rows)) named.unknown.push_back(name);
  }
  if (named.is_sure()) return;
  throw FormatError(
      "the arrays have " + named.fault() + ": save each of t, x, y and p under a name that is known", path);
}

/// An array each for t, x, y and p.
std::unique_ptr<EventReader> open_arrays(const std::string& path, const std::vector<std::string>& names,
                                         const NamedColumns& named, const EventReaderOptions& options) {
  if (!options.columns.empty()) {
    throw ConfigError(
        path + ": its arrays have names (t, x, ...), so that columns has no meaning: leave it out", "", 0,
        "columns");
  }
  Windows windows;
  Columns columns;
  ColumnPlaces own = {-1, -1, -1, -1};
  std::int64_t num_rows = -1;
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (named.places[i] < 0) continue;
    const std::string& name = names[static_cast<std::size_t>(named.places[i])];
    windows.push_back(
        {ByteWindow(whole_or_partial(open_archive_member(path, name + kExtension), options)), 1});
    ColumnReader::Window& window = windows.back();
    const NpyHeader header = read_npy_header(window.bytes);
    if (header.shape.size() != 1 || !header.fields.empty())
      refuse(window.bytes.name(), "an array that is not a column");
    if (num_rows >= 0 && header.shape[0] != num_rows) {
      refuse(window.bytes.name(), fmt::format("{} numbers beside columns of {}", header.shape[0], num_rows));
    }
    num_rows = header.shape[0];
    window.row_bytes = std::max<std::int64_t>(header.type.bytes, 1);
    own[i] = static_cast<int>(columns.size());
    columns.push_back({windows.size() - 1, 0, header.type, name});
  }
  check_others(path, named, num_rows);
  return std::make_unique<ColumnReader>(kNpzName, std::move(windows), columns, own, num_rows, options);
}

std::unique_ptr<EventReader> open_npz(const std::string& path, const EventReaderOptions& options) {
  std::vector<std::string> names;
  for (const ArchiveMember& member : list_archive(path)) {
    const std::size_t extension = sizeof(kExtension) - 1;
    if (member.name.size() < extension || member.name.substr(member.name.size() - extension) != kExtension)
      continue;
    names.push_back(member.name.substr(0, member.name.size() - extension));
  }
  const NamedColumns named = read_column_names(names);
  if (named.has_events()) return open_arrays(path, names, named, options);
  const bool has_events = std::find(names.begin(), names.end(), "events") != names.end();
  if (!has_events && names.size() != 1) {
    refuse(path, fmt::format("{} arrays, neither t, x, y, p nor events ({})", names.size(), named.fault()));
  }
  const std::string name = (has_events ? "events" : names[0]) + kExtension;
  return open_array(kNpzName, whole_or_partial(open_archive_member(path, name), options), options);
}

bool recognizes_npy(const RecordingStart& start) { return is_npy(start.bytes.data(), start.bytes.size()); }

/// A zip whose first member is called *.npy.
bool recognizes_npz(const RecordingStart& start) {
  constexpr std::size_t kNamePlace = 30;
  const std::uint8_t* bytes = start.bytes.data();
  if (start.bytes.size() < kNamePlace || bytes[0] != 'P' || bytes[1] != 'K' || bytes[2] != 3 ||
      bytes[3] != 4) {
    return false;
  }
  const std::size_t length = bytes[26] | static_cast<std::size_t>(bytes[27]) << 8;
  if (start.bytes.size() < kNamePlace + length) return false;
  const std::string name(bytes + kNamePlace, bytes + kNamePlace + length);
  return name.size() >= 4 && name.substr(name.size() - 4) == kExtension &&
         name.find('/') == std::string::npos;
}

}  // namespace

EventFormat npy_format() {
  return {"npy", kNpyName, recognizes_npy,
          [](std::unique_ptr<ByteSource> source, const RecordingStart&, const EventReaderOptions& options) {
            return open_array(kNpyName, std::move(source), options);
          }};
}

EventFormat npz_format() { return {"npz", kNpzName, recognizes_npz, nullptr, open_npz}; }

}  // namespace spikeloom::formats
