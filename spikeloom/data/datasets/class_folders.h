#pragma once
// The user's own samples: files in one folder a class.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "spikeloom/data/datasets/recording_reader.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/settings.h"

namespace spikeloom::data {

/// What is in such a folder. Names that begin with a dot are passed over.
struct ClassFolders {
  bool divided = false;              ///< classes lie below "train" and "test"
  std::vector<std::string> classes;  ///< in order of their names' bytes
  std::vector<Recording> train;      ///< all samples, unless divided; by class, then by name
  std::vector<Recording> test;       ///< of the folder "test"
  /// What is no sample, each with the reason: "readme.txt (a file beside the class folders)".
  std::vector<std::string> skipped;
};

/// Lists `root`. `is_sample` says by its name whether a file is one; `noun` is their name ("recordings").
/// Throws DataError if a folder cannot be listed, a name is not UTF-8 (names it, escaped), there are fewer
/// than two classes, or the test folder has a class that the train folder lacks. With Parts::kTest a test
/// folder alone will do, even of one class.
ClassFolders list_class_folders(const std::filesystem::path& root,
                                const std::function<bool(const std::string& name)>& is_sample,
                                const std::string& noun, Parts parts);

/// Counts, class names and skipped entries of the user's own set.
void report_own(const ClassFolders& folders, const std::filesystem::path& root, VerifyReport& report);

/// Whether list_class_folders() would find a class, or folders in a folder. Does not throw.
bool has_class_folders(const std::filesystem::path& root);

/// "skipped 3 entries that are not among the recordings: a, b, c"; "" if there are none. At most ten are
/// named.
std::string skipped_text(const std::vector<std::string>& skipped, const std::string& noun);

/// Training and test part of the user's samples.
struct OwnParts {
  std::vector<Recording> train, test;
  std::string how_tested;
  std::string remark;  ///< which class is not in which part, and why; may be empty
};

/// Divides them by settings.split: "default" by name (docs/datasets.md), "random", "folds", or as the folders
/// do. Throws ConfigError for another split or fold.
OwnParts divide_own(const ClassFolders& folders, const DataSettings& settings, const std::string& set);

/// Of the random stream that draws validation samples; those below draw the test part of a class.
constexpr std::uint64_t kOwnValidationItem = std::uint64_t{1} << 32;

}  // namespace spikeloom::data
