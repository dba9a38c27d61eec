#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/byte_window.h"
#include "spikeloom/formats/events/columns/column_words.h"
#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/numpy/column_reader.h"
#include "spikeloom/formats/events/numpy/npy.h"
#include "spikeloom/formats/events/numpy/npy_array.h"
#include "spikeloom/formats/events/numpy/npy_header.h"
#include "spikeloom/formats/events/partial_source.h"

namespace spikeloom::formats {
namespace {

constexpr char kNpzName[] = "npz";
constexpr char kExtension[] = ".npy";
const std::string kEvents = "events";

std::unique_ptr<ByteSource> whole_or_partial(std::unique_ptr<ByteSource> source,
                                             const EventReaderOptions& options) {
  return options.partial ? partial_source(std::move(source)) : std::move(source);
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
        path +
            ": its arrays have names (t, x, ...), so --columns (data.columns) does not apply: leave it out",
        "", 0, "columns");
  }
  std::vector<ColumnReader::Window> windows;
  std::vector<ColumnReader::Column> columns;
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
      refuse_npy(window.bytes.name(), "an array that is not a column");
    if (num_rows >= 0 && header.shape[0] != num_rows) {
      refuse_npy(window.bytes.name(),
                 fmt::format("{} numbers beside columns of {}", header.shape[0], num_rows));
    }
    num_rows = header.shape[0];
    window.row_bytes = std::max<std::int64_t>(header.type.bytes, 1);
    own[i] = static_cast<int>(columns.size());
    columns.push_back({windows.size() - 1, 0, header.type, name});
  }
  check_others(path, named, num_rows);
  return std::make_unique<ColumnReader>(kNpzName, std::move(windows), columns, own, num_rows, options);
}

/// The texts of an array of up to 16 of them; nullopt for an array of another kind, also a damaged one or a
/// pickle, which is not read.
std::optional<std::vector<std::string>> texts_in(const std::string& path, const std::string& name) {
  try {
    ByteWindow window(open_archive_member(path, name + kExtension));
    return read_npy_texts(window);
  } catch (const FormatError&) {
    return std::nullopt;
  }
}

/// What the other arrays say of the columns of the one with the events; those that say nothing are taken off
/// `names`.
ColumnTexts texts_beside(const std::string& path, std::vector<std::string>* names) {
  constexpr std::size_t kMany = 64;  // to find one the archive is gone through
  const bool is_one_of_many = names->size() > kMany;
  ColumnTexts texts;
  const auto is_text = [&](const std::string& name) {
    if (name == kEvents) return false;
    const bool is_meant = ColumnTexts::is_meant(name);
    if (is_one_of_many && !is_meant) return false;
    const auto found = texts_in(path, name);
    if (!found && !is_meant) return false;
    std::string all;
    for (const std::string& text : found.value_or(std::vector<std::string>{}))
      all += (all.empty() ? "" : ", ") + text;
    texts.see(name, all, is_meant);
    return true;
  };
  names->erase(std::remove_if(names->begin(), names->end(), is_text), names->end());
  return texts;
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
  const ColumnTexts texts = texts_beside(path, &names);
  const bool has_events = std::find(names.begin(), names.end(), kEvents) != names.end();
  if (!has_events && names.size() != 1) {
    refuse_npy(path,
               fmt::format("{} arrays, neither t, x, y, p nor events ({})", names.size(), named.fault()));
  }
  const std::string name = (has_events ? kEvents : names[0]) + kExtension;
  return open_npy_array(kNpzName, whole_or_partial(open_archive_member(path, name), options), options, texts);
}

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

EventFormat npz_format() { return {"npz", kNpzName, recognizes_npz, nullptr, open_npz}; }

}  // namespace spikeloom::formats
