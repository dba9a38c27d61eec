#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/recording_dataset.h"
#include "spikeloom/data/datasets/recording_splits.h"
#include "spikeloom/data/datasets/source.h"
#include "spikeloom/data/md5.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// One recording of so many is for the test in split "default".
constexpr int kTestShare = 5;
/// Of the random stream that draws validation samples; those below draw the test part of a class.
constexpr std::uint64_t kValidationItem = std::uint64_t{1} << 32;

/// The names in a folder that do not begin with a dot, in order of their bytes.
std::vector<std::string> names_in(const fs::path& folder, bool folders) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    const bool wanted = folders ? entry->is_directory(ignored) : entry->is_regular_file(ignored);
    if (wanted && name.front() != '.') names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Throws DataError if the folder cannot be listed.
std::vector<std::string> class_folders(const fs::path& root) {
  std::error_code error;
  const fs::directory_iterator readable(root, error);
  if (error) throw DataError(root.string() + ": cannot list the folder: " + error.message());
  std::vector<std::string> classes;
  for (const std::string& name : names_in(root, true)) {
    if (!names_in(root / name, false).empty()) classes.push_back(name);
  }
  return classes;
}

bool recognizes(const fs::path& root) {
  const std::vector<std::string> folders = names_in(root, true);
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& name) {
    return !names_in(root / name, false).empty() || !names_in(root / name, true).empty();
  });
}

/// Where the classes are: below train and test if there are such folders, else directly.
struct Layout {
  fs::path train, test;
  bool divided = false;
  std::vector<std::string> classes;
};

Layout find_layout(const fs::path& root) {
  Layout layout{root, root, false, {}};
  std::error_code ignored;
  if (fs::is_directory(root / "train", ignored) && fs::is_directory(root / "test", ignored) &&
      !class_folders(root / "train").empty()) {
    layout = {root / "train", root / "test", true, class_folders(root / "train")};
    for (const std::string& name : class_folders(layout.test)) {
      if (std::find(layout.classes.begin(), layout.classes.end(), name) == layout.classes.end()) {
        throw DataError(
            fmt::format("{}: the class '{}' is in no sub-folder of train", layout.test.string(), name));
      }
    }
  } else {
    layout.classes = class_folders(root);
  }
  if (layout.classes.size() < 2) {
    throw DataError(
        fmt::format("{}: recordings of at least two classes are needed, each class in a sub-folder of "
                    "its own; found {} such sub-folders with files",
                    root.string(), layout.classes.size()));
  }
  return layout;
}

/// All files of the classes, by class, then by name.
std::vector<Recording> list_all(const fs::path& root, const std::vector<std::string>& classes) {
  std::vector<Recording> all;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    for (const std::string& name : names_in(root / classes[label], false)) {
      all.push_back({(root / classes[label] / name).string(), static_cast<std::int64_t>(all.size()),
                     static_cast<int>(label), ""});
    }
  }
  return all;
}

/// Depends on "class/file" alone: a recording stays in its part whatever is added or removed.
bool name_is_test(const Recording& recording) {
  const fs::path path(recording.path);
  const std::string name = path.parent_path().filename().string() + "/" + path.filename().string();
  Md5 sum;
  sum.add(name.data(), name.size());
  return std::stoul(sum.hex().substr(0, 8), nullptr, 16) % kTestShare == 0;
}

}  // namespace

FolderFacts read_folder_facts(const DataSettings& settings, const fs::path& root) {
  const Layout layout = find_layout(root);
  FolderFacts facts{layout.classes, settings.sensor_width, settings.sensor_height};
  if (facts.sensor_width > 0 && facts.sensor_height > 0) return facts;
  const Recording first = list_all(layout.train, layout.classes).front();
  const auto reader = formats::open_events(first.path);
  if (facts.sensor_width == 0) facts.sensor_width = reader->width();
  if (facts.sensor_height == 0) facts.sensor_height = reader->height();
  if (facts.sensor_width < 1 || facts.sensor_height < 1) {
    throw ConfigError(fmt::format("{} does not say how large its sensor is: set data.sensor_width and "
                                  "data.sensor_height",
                                  first.path),
                      "", 0, "data.sensor_width");
  }
  return facts;
}

namespace {

DataSplits open(const Source& source, const DataSettings& settings, int num_steps, const fs::path& root) {
  const DatasetInfo& info = source.info;
  const FolderFacts facts = read_folder_facts(settings, root);
  const Layout layout = find_layout(root);
  const auto reader = [facts](const Recording& recording) {
    events::EventStream stream =
        formats::read_events(recording.path, {"auto", facts.sensor_width, facts.sensor_height});
    // One size for all: what lies outside is refused by the binning, naming the file.
    stream.width = facts.sensor_width;
    stream.height = facts.sensor_height;
    return stream;
  };
  RecordingFormat format =
      recording_format(info, settings, num_steps, reader, facts.sensor_width, facts.sensor_height);
  std::error_code ignored;
  format.cache_scope = fs::absolute(root, ignored).string();

  RecordingParts parts;
  const std::vector<Recording> all = list_all(layout.train, layout.classes);
  if (layout.divided) {
    check_split_name(settings, "a folder with train and test in it", {"default", "random"});
    parts.train = all;
    parts.test = list_all(layout.test, layout.classes);
    parts.how_tested = "the folder test";
  } else {
    check_split_name(settings, info.name, {"default", "random", "folds"});
    if (settings.split == "default") {
      divide(
          all, [&](std::size_t i) { return name_is_test(all[i]); }, parts);
      parts.how_tested = fmt::format("one of {} by the hash of its name", kTestShare);
    } else {
      const bool folds = settings.split == "folds";
      if (folds && settings.fold >= settings.folds) {
        throw ConfigError(fmt::format("must be below data.folds = {}, is {}", settings.folds, settings.fold),
                          "", 0, "data.fold");
      }
      const std::vector<bool> is_test =
          test_fold(all, layout.classes.size(), folds ? settings.folds : kTestShare,
                    folds ? settings.fold : 0, settings.split_seed);
      divide(
          all, [&](std::size_t i) { return is_test[i]; }, parts);
      parts.how_tested = folds ? fmt::format("fold {} of {}, split_seed {}", settings.fold, settings.folds,
                                             settings.split_seed)
                               : fmt::format("one of {} of each class, drawn, split_seed {}", kTestShare,
                                             settings.split_seed);
    }
  }
  if (parts.train.empty()) throw DataError(root.string() + ": no recording is left for training");
  parts.test_missing =
      fmt::format("{}: no recording is left for the test ({})", root.string(), parts.how_tested);
  // Classes in turn would be learnt one after the other where nothing is shuffled, and the last samples,
  // which validation takes, would be of one class.
  parts.random_validation = true;
  parts.validation_item = kValidationItem;
  return make_recording_splits(info.name,
                               fmt::format("{} ({} classes)", root.string(), layout.classes.size()),
                               layout.classes, parts, settings, format);
}

void verify(const Source&, const fs::path&, VerifyReport&) {}

}  // namespace

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
        "put your recordings into one sub-folder a class and name their folder: data.folder = \"PATH\", from "
        "here, "
        "or from the data folder";
    info.citation = "none: the recordings are yours";
    info.licence = "yours";
    info.layout = "<class>/<any name>, or train/<class>/<any name> and test/<class>/<any name>";
    info.is_recordings = true;
    info.is_users_own = true;
    folder.recognizes = recognizes;
    folder.open = open;
    folder.verify = verify;
    return folder;
  }();
  return source;
}

}  // namespace spikeloom::data
