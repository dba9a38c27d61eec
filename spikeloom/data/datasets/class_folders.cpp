#include "spikeloom/data/datasets/class_folders.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/datasets/recording_splits.h"
#include "spikeloom/data/md5.h"
#include "spikeloom/data/splits.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// One sample of so many is for the test in splits "default" and "random".
constexpr int kTestShare = 5;
constexpr std::size_t kNamedEntries = 10;

/// Length of the UTF-8 character at `at`, 0 if there is none.
std::size_t utf8_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  // Longer than needed, surrogates, beyond the last character.
  const unsigned second = byte(at + 1);
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return wrong ? 0 : length;
}

/// Throws DataError if a name in a folder is not UTF-8: it could be in no recipe and no model file.
void check_name(const fs::path& folder, const std::string& name) {
  std::string escaped;
  bool is_utf8 = true;
  for (std::size_t i = 0; i < name.size();) {
    const std::size_t length = utf8_length(name, i);
    if (length == 0) {
      is_utf8 = false;
      escaped += fmt::format("\\x{:02x}", static_cast<unsigned char>(name[i]));
    } else {
      escaped += name.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  if (is_utf8) return;
  throw DataError(fmt::format("{}: the name '{}' is not UTF-8; rename it", folder.string(), escaped));
}

struct Entry {
  std::string name;
  bool is_folder = false, is_file = false;
};

/// What is in a folder, but for names that begin with a dot, in order of their names' bytes.
std::vector<Entry> entries_of(const fs::path& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    Entry one{entry->path().filename().string(), entry->is_directory(ignored),
              entry->is_regular_file(ignored)};
    if (one.name.front() != '.') entries.push_back(std::move(one));
  }
  if (error) throw DataError(folder.string() + ": cannot list the folder: " + error.message());
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  for (const Entry& entry : entries) check_name(folder, entry.name);
  return entries;
}

/// The classes of one folder: their names, and each class' files.
struct Classes {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> files;
};

class Listing {
 public:
  Listing(fs::path root, const std::function<bool(const std::string&)>& is_sample, std::string noun)
      : root_(std::move(root)), is_sample_(is_sample), noun_(std::move(noun)) {}

  Classes classes_in(const fs::path& folder) {
    Classes classes;
    for (const Entry& entry : entries_of(folder)) {
      if (!entry.is_folder) {
        skip(folder / entry.name,
             entry.is_file ? "a file beside the class folders" : "neither file nor folder");
        continue;
      }
      std::vector<std::string> files = files_in(folder / entry.name);
      if (files.empty()) {
        skip(folder / entry.name, "a folder without " + noun_);
        continue;
      }
      classes.names.push_back(entry.name);
      classes.files.push_back(std::move(files));
    }
    return classes;
  }

  void skip(const fs::path& path, const std::string& reason) {
    skipped.push_back(fmt::format("{} ({})", path.lexically_relative(root_).string(), reason));
  }

  std::vector<std::string> skipped;

 private:
  std::vector<std::string> files_in(const fs::path& folder) {
    std::vector<std::string> files;
    for (const Entry& entry : entries_of(folder)) {
      if (entry.is_file && is_sample_(entry.name)) {
        files.push_back(entry.name);
      } else {
        skip(folder / entry.name, entry.is_folder ? "a folder in a class folder"
                                  : entry.is_file ? "not one of the " + noun_ + " by its name"
                                                  : "neither file nor folder");
      }
    }
    return files;
  }

  fs::path root_;
  const std::function<bool(const std::string&)>& is_sample_;
  std::string noun_;
};

/// Files of `found` with the labels that `classes` give them.
std::vector<Recording> labelled(const fs::path& folder, const Classes& found,
                                const std::vector<std::string>& classes) {
  std::vector<Recording> all;
  for (std::size_t i = 0; i < found.names.size(); ++i) {
    const auto at = std::find(classes.begin(), classes.end(), found.names[i]);
    if (at == classes.end()) {
      throw DataError(
          fmt::format("{}: the class '{}' is in no sub-folder of train", folder.string(), found.names[i]));
    }
    for (const std::string& name : found.files[i]) {
      all.push_back({(folder / found.names[i] / name).string(), static_cast<std::int64_t>(all.size()),
                     static_cast<int>(at - classes.begin()), ""});
    }
  }
  return all;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// Depends on "class/file" alone: a sample stays in its part whatever is added or removed.
unsigned long name_hash(const Recording& recording) {
  const fs::path path(recording.path);
  const std::string name = path.parent_path().filename().string() + "/" + path.filename().string();
  Md5 sum;
  sum.add(name.data(), name.size());
  return std::stoul(sum.hex().substr(0, 8), nullptr, 16);
}

/// By the names' hashes; a class that would be in one part only gives its nearest sample to the other.
std::vector<bool> test_by_name(const std::vector<Recording>& all, const std::vector<std::string>& classes,
                               std::string& remark) {
  std::vector<bool> is_test(all.size());
  std::vector<std::vector<std::pair<unsigned long, std::size_t>>> of_class(classes.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const unsigned long hash = name_hash(all[i]);
    is_test[i] = hash % kTestShare == 0;
    of_class[static_cast<std::size_t>(all[i].label)].emplace_back(hash, i);
  }
  for (std::size_t label = 0; label < classes.size(); ++label) {
    auto& samples = of_class[label];
    const auto tested = std::count_if(samples.begin(), samples.end(),
                                      [&](const auto& sample) { return is_test[sample.second]; });
    if (samples.size() == 1) {
      is_test[samples.front().second] = false;
      remark += fmt::format("{}class '{}' is not in the test part: it has one sample",
                            remark.empty() ? "" : ", ", classes[label]);
    } else if (tested == 0) {
      is_test[std::min_element(samples.begin(), samples.end())->second] = true;
    } else if (tested == static_cast<std::ptrdiff_t>(samples.size())) {
      is_test[std::max_element(samples.begin(), samples.end())->second] = false;
    }
  }
  return is_test;
}

}  // namespace

ClassFolders list_class_folders(const fs::path& root,
                                const std::function<bool(const std::string& name)>& is_sample,
                                const std::string& noun, Parts parts) {
  ClassFolders folders;
  Listing listing(root, is_sample, noun);
  const bool has_train = is_folder(root / "train"), has_test = is_folder(root / "test");
  Classes training, testing;
  if (has_test && (has_train || parts == Parts::kTest)) {
    // The classes are those of train even if only the test part is read: a label is a place in their list.
    if (has_train) training = listing.classes_in(root / "train");
    testing = listing.classes_in(root / "test");
    folders.divided = has_train ? !training.names.empty() : !testing.names.empty();
  }
  if (folders.divided) {
    folders.classes = has_train ? training.names : testing.names;
    folders.train = labelled(root / "train", training, folders.classes);
    folders.test = labelled(root / "test", testing, folders.classes);
    for (const Entry& entry : entries_of(root)) {
      if (entry.name != "train" && entry.name != "test")
        listing.skip(root / entry.name, "beside train and test");
    }
  } else {
    listing.skipped.clear();
    training = listing.classes_in(root);
    folders.classes = training.names;
    folders.train = labelled(root, training, folders.classes);
  }
  folders.skipped = std::move(listing.skipped);
  const bool one_will_do = parts == Parts::kTest && folders.divided && !has_train;
  if (folders.classes.size() < (one_will_do ? 1 : 2)) {
    throw DataError(fmt::format(
        "{}: {} of at least two classes are needed, each class in a sub-folder of its own; found {} with "
        "files{}{}",
        root.string(), noun, counted(static_cast<std::int64_t>(folders.classes.size()), "such sub-folder"),
        folders.skipped.empty() ? "" : "; ", skipped_text(folders.skipped, noun)));
  }
  return folders;
}

void report_own(const ClassFolders& folders, const fs::path& root, VerifyReport& report) {
  report.class_names = folders.classes;
  const auto count = [&](const char* name, const std::vector<Recording>& part) {
    SplitCount counts{
        name, static_cast<std::int64_t>(part.size()), static_cast<std::int64_t>(part.size()), {}};
    counts.per_class.resize(folders.classes.size());
    for (const Recording& one : part) ++counts.per_class[static_cast<std::size_t>(one.label)];
    report.counts.push_back(counts);
  };
  count(folders.divided ? "train" : "all", folders.train);
  if (folders.divided) count("test", folders.test);
  for (const std::string& entry : folders.skipped) {
    report.checks.push_back({(root / entry).string(), true, "skipped"});
  }
}

bool has_class_folders(const fs::path& root) {
  std::error_code error;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().filename().string().front() == '.' || !entry->is_directory(ignored)) continue;
    if (!fs::is_empty(entry->path(), ignored) && !ignored) return true;
  }
  return false;
}

std::string skipped_text(const std::vector<std::string>& skipped, const std::string& noun) {
  if (skipped.empty()) return "";
  const std::vector<std::string> named(
      skipped.begin(),
      skipped.begin() + static_cast<std::ptrdiff_t>(std::min(skipped.size(), kNamedEntries)));
  const auto count = static_cast<std::int64_t>(skipped.size());
  return fmt::format(
      "skipped {} not among the {}: {}{}", counted(count, "entry that is", "entries that are"), noun,
      fmt::join(named, ", "),
      skipped.size() > named.size() ? fmt::format(" and {} more", skipped.size() - named.size()) : "");
}

OwnParts divide_own(const ClassFolders& folders, const DataSettings& settings, const std::string& set) {
  OwnParts parts;
  if (folders.divided) {
    check_split_name(settings, "a folder with train and test in it", {"default", "random"});
    parts.train = folders.train;
    parts.test = folders.test;
    parts.how_tested = "the folder test";
    return parts;
  }
  check_split_name(settings, set, {"default", "random", "folds"});
  std::vector<bool> is_test;
  if (settings.split == "default") {
    is_test = test_by_name(folders.train, folders.classes, parts.remark);
    parts.how_tested = fmt::format("one of {} by the hash of its name", kTestShare);
  } else {
    const bool folds = settings.split == "folds";
    if (folds && settings.fold >= settings.folds) {
      throw ConfigError(fmt::format("must be below data.folds = {}, not {}", settings.folds, settings.fold),
                        "", 0, "data.fold");
    }
    is_test = test_fold(folders.train, folders.classes.size(), folds ? settings.folds : kTestShare,
                        folds ? settings.fold : 0, settings.split_seed);
    parts.how_tested =
        folds
            ? fmt::format("fold {} of {}, split_seed {}", settings.fold, settings.folds, settings.split_seed)
            : fmt::format("one of {} of each class, drawn, split_seed {}", kTestShare, settings.split_seed);
  }
  for (std::size_t i = 0; i < folders.train.size(); ++i) {
    (is_test[i] ? parts.test : parts.train).push_back(folders.train[i]);
  }
  return parts;
}

}  // namespace spikeloom::data
