#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/log.h"
#include "spikeloom/data/datasets/class_folders.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/recording_splits.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecordingNoun = "recordings";

/// Files that lie among recordings and are none: texts about them, pictures, what file managers leave.
bool is_recording_name(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const fs::path path(lower);
  static const std::array<const char*, 7> kNames = {"readme",    "license",     "licence",  "copying",
                                                    "changelog", "desktop.ini", "thumbs.db"};
  static const std::array<const char*, 17> kExtensions = {".md",  ".rst",  ".pdf",  ".html", ".htm", ".jpg",
                                                          ".png", ".jpeg", ".json", ".xml",  ".yml", ".yaml",
                                                          ".doc", ".docx", ".py",   ".ini",  ".log"};
  const auto is = [](const std::string& text) { return [&](const char* other) { return text == other; }; };
  return std::none_of(kNames.begin(), kNames.end(), is(lower)) &&
         std::none_of(kNames.begin(), kNames.end(), is(path.stem().string())) &&
         std::none_of(kExtensions.begin(), kExtensions.end(), is(path.extension().string()));
}

ClassFolders list_folder(const fs::path& root, Parts parts) {
  return list_class_folders(root, is_recording_name, kRecordingNoun, parts);
}

FolderFacts facts_of(const DataSettings& settings, const ClassFolders& folders) {
  const formats::EventReaderOptions options = options_of_folder(settings);
  FolderFacts facts{folders.classes, options.width, options.height, "", ""};
  if (facts.sensor_width > 0 && facts.sensor_height > 0) return facts;
  const Recording& first = folders.train.empty() ? folders.test.front() : folders.train.front();
  const std::unique_ptr<formats::EventReader> reader = formats::open_events(first.path, options);
  if (facts.sensor_width == 0) facts.sensor_width = reader->width();
  if (facts.sensor_height == 0) facts.sensor_height = reader->height();
  facts.sized_by = first.path;
  facts.columns = reader->columns_by_value();
  if (facts.sensor_width < 1 || facts.sensor_height < 1) {
    throw ConfigError(
        fmt::format("{} does not say how large its sensor is: set data.sensor, for example \"304x240\"",
                    first.path),
        "", 0, "data.sensor");
  }
  return facts;
}

/// Throws DataError if a recording says another size than the one that the set has from another recording:
/// its events outside of that are no strays.
void check_size(const std::string& path, const formats::EventReader& reader, const FolderFacts& facts) {
  const int width = reader.width(), height = reader.height();
  if ((width < 1 || width == facts.sensor_width) && (height < 1 || height == facts.sensor_height)) return;
  throw DataError(fmt::format(
      "{}: its sensor is {} x {}, that of {} is {} x {}: a set has one size of sensor; give it (data.sensor "
      "= "
      "\"WxH\": what is outside of it is then left out and counted), or keep recordings of one sensor",
      path, width, height, facts.sized_by, facts.sensor_width, facts.sensor_height));
}

/// Opens a recording with the set's size, which it must have if it says one itself. `own`: the options of the
/// settings, `sized`: with the size of the set.
std::unique_ptr<formats::EventReader> open_sized(const std::string& path,
                                                 const formats::EventReaderOptions& own,
                                                 const formats::EventReaderOptions& sized,
                                                 const FolderFacts& facts) {
  if (facts.sized_by.empty() || path == facts.sized_by) return formats::open_events(path, sized);
  std::unique_ptr<formats::EventReader> reader;
  try {
    reader = formats::open_events(path, own);
    check_size(path, *reader, facts);
  } catch (const FormatError&) {  // it may need the set's size to be read, or be damaged
    return formats::open_events(path, sized);
  }
  if (reader->width() > 0 && reader->height() > 0) return reader;
  return formats::open_events(path, sized);
}

RecordingReader folder_reader(const DataSettings& settings, const FolderFacts& facts) {
  const formats::EventReaderOptions own = options_of_folder(settings);
  formats::EventReaderOptions sized = own;
  sized.width = facts.sensor_width;
  sized.height = facts.sensor_height;
  return [own, sized, facts](const Recording& recording, ReadNotes& notes) {
    const auto reader = open_sized(recording.path, own, sized, facts);
    events::EventStream stream = read_opened_recording(recording.path, *reader, notes);
    stream.width = facts.sensor_width;
    stream.height = facts.sensor_height;
    return stream;
  };
}

/// Logs the order of columns that nothing names, as the first recording has it.
void tell_columns(const ClassFolders& folders, const DataSettings& settings, const FolderFacts& facts) {
  formats::EventReaderOptions options = options_of_folder(settings);
  if (!options.columns.empty() || (folders.train.empty() && folders.test.empty())) return;
  const Recording& first = folders.train.empty() ? folders.test.front() : folders.train.front();
  std::string columns = facts.columns;
  if (first.path != facts.sized_by) {
    options.width = facts.sensor_width;
    options.height = facts.sensor_height;
    try {
      columns = formats::open_events(first.path, options)->columns_by_value();
    } catch (const Error&) {
      return;  // is told when the recording is read
    }
  }
  if (columns.empty()) return;
  log(LogLevel::kWarning, fmt::format("{}: columns read as {} (from the values; another order: data.columns)",
                                      first.path, columns));
}

DataSplits open_class_folder(const Source& source, const DataSettings& settings, int num_steps,
                             const fs::path& root, Parts wanted) {
  const DatasetInfo& info = source.info;
  const bool test_only = wanted == Parts::kTest;
  const ClassFolders folders = list_folder(root, wanted);
  const FolderFacts facts = facts_of(settings, folders);
  RecordingFormat format = recording_format(info, settings, num_steps, options_of_folder(settings),
                                            facts.sensor_width, facts.sensor_height);
  format.reader = folder_reader(settings, facts);
  // Frames of the first readers may be of a part of the sensor, or of another chip: they are made anew.
  format.cache_scope += ", readers 2";
  tell_columns(folders, settings, facts);
  std::error_code ignored;
  format.cache_scope += " in " + fs::absolute(root, ignored).string();

  OwnParts own = divide_own(folders, settings, info.name);
  if (own.train.empty() && !test_only) throw DataError(root.string() + ": no recording is left for training");
  RecordingParts parts;
  if (!test_only) parts.train = std::move(own.train);
  parts.test = std::move(own.test);
  parts.how_tested = own.how_tested;
  parts.remark = own.remark;
  parts.tell_missing_classes = true;
  parts.test_missing =
      fmt::format("{}: no recording is left for the test ({})", root.string(), parts.how_tested);
  // Classes in turn would be learnt one after the other where nothing is shuffled, and the last samples,
  // which validation takes, would be of one class.
  parts.random_validation = true;
  parts.validation_item = kOwnValidationItem;
  DataSplits splits =
      make_recording_splits(info.name, fmt::format("{} ({} classes)", root.string(), folders.classes.size()),
                            folders.classes, parts, settings, format);
  if (!folders.skipped.empty()) {
    log(LogLevel::kWarning,
        fmt::format("{}: {}", root.string(), skipped_text(folders.skipped, kRecordingNoun)));
  }
  return splits;
}

void verify_class_folder(const Source&, const VerifyRequest& request, const fs::path& root,
                         VerifyReport& report) {
  ClassFolders folders;
  RecordingReader reader;
  try {
    folders = list_folder(root, Parts::kAll);
    reader = folder_reader(request.settings, facts_of(request.settings, folders));
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& error) {
    report.checks.push_back({root.string(), false, error.what()});
    return;
  }
  report_own(folders, root, report);
  std::map<std::string, std::vector<Recording>> of_folder;
  for (const std::vector<Recording>* part : {&folders.train, &folders.test}) {
    for (const Recording& recording : *part) {
      of_folder[fs::path(recording.path).parent_path().string()].push_back(recording);
    }
  }
  for (const auto& [folder, recordings] : of_folder) {
    verify_recordings(folder, recordings, reader, static_cast<std::int64_t>(recordings.size()), request,
                      report);
  }
}

}  // namespace

FolderFacts read_folder_facts(const DataSettings& settings, const fs::path& root) {
  return facts_of(settings, list_folder(root, Parts::kAll));
}

const Source& folder_source() {
  static const Source source = [] {
    Source folder{};
    DatasetInfo& info = folder.info;
    info.name = "folder";
    info.title = "A folder of recordings";
    info.description =
        "your own event recordings: one sub-folder a class, any event format, named by data.folder";
    info.home_page = "docs/datasets.md";
    info.how_to_get =
        "put your recordings into one sub-folder a class and name their folder: data.folder = \"PATH\", "
        "absolute, "
        "in the data folder or in the working folder";
    info.citation = "none: the recordings are yours";
    info.licence = "yours";
    info.layout = "<class>/<any name>, or train/<class>/<any name> and test/<class>/<any name>";
    info.is_recordings = true;
    info.is_users_own = true;
    folder.recognizes = has_class_folders;
    folder.open = open_class_folder;
    folder.verify = verify_class_folder;
    return folder;
  }();
  return source;
}

}  // namespace spikeloom::data
