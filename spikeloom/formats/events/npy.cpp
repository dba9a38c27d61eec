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

namespace spikeloom::formats {
namespace {

constexpr char kNpyName[] = "npy", kNpzName[] = "npz";
constexpr char kExtension[] = ".npy";

using Windows = std::vector<ColumnReader::Window>;
using Columns = std::vector<ColumnReader::Column>;

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw FormatError(
      what + ": wanted are an array with integer fields t, x, y, p or an integer array of shape [N, 4]",
      file);
}

void skip(ByteWindow& window, std::int64_t bytes) {
  while (bytes > 0) {
    if (!window.ensure(1)) {
      throw FormatError("the file ends before all of its events; fetch the file again", window.name(),
                        window.offset());
    }
    const std::int64_t step = std::min<std::int64_t>(bytes, static_cast<std::int64_t>(window.size()));
    window.consume(static_cast<std::size_t>(step));
    bytes -= step;
  }
}

/// The four columns of an [N, 4] array, that lie behind each other (Fortran) or beside each other.
void plain_columns(const NpyHeader& header, const ByteSource& source, Windows* windows, Columns* columns) {
  const bool behind = header.fortran_order && header.shape[0] > 1;
  const std::int64_t bytes = header.type.bytes;
  windows->front().row_bytes = behind ? bytes : 4 * bytes;
  for (std::int64_t column = 0; column < 4; ++column) {
    columns->push_back(
        {behind ? static_cast<std::size_t>(column) : 0, behind ? 0 : column * bytes, header.type});
    if (!behind || column == 0) continue;
    std::unique_ptr<ByteSource> again = source.reopen();
    if (again == nullptr) {
      throw FormatError(
          "the array is in Fortran order, which is read from a file only: unpack it, or save it as "
          "numpy.ascontiguousarray(events)",
          source.name());
    }
    windows->push_back({ByteWindow(std::move(again)), bytes});
    ByteWindow& window = windows->back().bytes;
    const NpyHeader same = read_npy_header(window);
    if (same.shape != header.shape || same.type.bytes != bytes)
      throw DataError(source.name() + ": is being changed");
    skip(window, column * header.shape[0] * bytes);
  }
}

/// One array that holds whole events.
std::unique_ptr<EventReader> open_array(const char* format, std::unique_ptr<ByteSource> source,
                                        const EventReaderOptions& options) {
  // The window takes the source over; the archive or file behind it is needed again for Fortran order.
  const ByteSource& kept = *source;
  Windows windows;
  windows.push_back({ByteWindow(std::move(source)), 1});
  const NpyHeader header = read_npy_header(windows[0].bytes);
  const std::string file = windows[0].bytes.name();
  const std::int64_t num_rows = header.shape.empty() ? 1 : header.shape[0];
  Columns columns;
  if (!header.fields.empty()) {
    if (header.shape.size() > 1) refuse(file, fmt::format("an array of {} dimensions", header.shape.size()));
    windows[0].row_bytes = std::max<std::int64_t>(header.type.bytes, 1);
    std::vector<std::string> names;
    for (const NpyField& field : header.fields) {
      names.push_back(field.name);
      columns.push_back({0, field.place, field.type});
    }
    const auto places = columns_by_name(names);
    if (!places) refuse(file, "an array without fields t and x, or with two of one kind");
    return std::make_unique<ColumnReader>(format, std::move(windows), columns, *places, num_rows, options);
  }
  if (header.shape.size() != 2 || header.shape[1] != 4) refuse(file, "an array of another shape");
  if (!header.type.is_integer())
    refuse(file, "an array of numbers that are no integers (their unit is not sure)");
  plain_columns(header, kept, &windows, &columns);
  const ColumnPlaces places = ColumnReader::find_order(windows, columns, num_rows);
  return std::make_unique<ColumnReader>(format, std::move(windows), columns, places, num_rows, options);
}

/// An array each for t, x, y and p.
std::unique_ptr<EventReader> open_arrays(const std::string& path, const std::vector<std::string>& names,
                                         const ColumnPlaces& places, const EventReaderOptions& options) {
  Windows windows;
  Columns columns;
  ColumnPlaces own = {-1, -1, -1, -1};
  std::int64_t num_rows = -1;
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (places[i] < 0) continue;
    windows.push_back(
        {ByteWindow(open_archive_member(path, names[static_cast<std::size_t>(places[i])] + kExtension)), 1});
    ColumnReader::Window& window = windows.back();
    const NpyHeader header = read_npy_header(window.bytes);
    if (header.shape.size() != 1 || !header.fields.empty())
      refuse(window.bytes.name(), "an array that is no column");
    if (num_rows >= 0 && header.shape[0] != num_rows) {
      refuse(window.bytes.name(), fmt::format("{} numbers beside columns of {}", header.shape[0], num_rows));
    }
    num_rows = header.shape[0];
    window.row_bytes = std::max<std::int64_t>(header.type.bytes, 1);
    own[i] = static_cast<int>(columns.size());
    columns.push_back({windows.size() - 1, 0, header.type});
  }
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
  if (const auto places = columns_by_name(names)) return open_arrays(path, names, *places, options);
  const bool has_events = std::find(names.begin(), names.end(), "events") != names.end();
  if (!has_events && names.size() != 1) {
    refuse(path, fmt::format("{} arrays, neither t, x, y, p nor events", names.size()));
  }
  return open_array(kNpzName, open_archive_member(path, (has_events ? "events" : names[0]) + kExtension),
                    options);
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
