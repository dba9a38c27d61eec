#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spikeloom/data/settings.h"

namespace spikeloom::data {

/// A file of a published set. Sizes in bytes; -1 or "" where it is not known with certainty.
struct ExpectedFile {
  std::string name;                ///< without ".gz"
  std::int64_t content_size = -1;  ///< after decompression, where the file may be compressed
  std::string content_md5;         ///< likewise
  std::string gz_md5;              ///< of the official compressed file; a repacked one differs in this only
};

/// A file that `spikeloom data fetch` downloads.
struct DownloadFile {
  std::string name;  ///< under which it is kept; archives are unpacked
  std::string url;
  std::string md5;  ///< as published; "" if nobody published one
};

/// One part of a published set.
struct SplitInfo {
  std::string name;  ///< "train", "test" or "all" (a set without official split)
  std::vector<std::int64_t>
      per_class;           ///< samples of each class in the complete set; empty if only total is known
  std::int64_t total = 0;  ///< used if per_class is empty

  std::int64_t samples() const;
};

/// What is known about a published data set: for listings, error messages and verify_dataset().
struct DatasetInfo {
  std::string name;         ///< registered name
  std::string title;        ///< its authors' name for it
  std::string description;  ///< one line
  std::string how_to_get;   ///< one line
  std::string home_page;
  std::string citation;
  std::string licence;
  std::vector<std::string> folders;         ///< accepted sub-folders of a data folder, in order of preference
  std::vector<std::string> system_folders;  ///< complete paths where distributions install it
  std::string layout;                       ///< one line: the files expected in the folder
  std::vector<ExpectedFile> files;          ///< empty for sets of many thousand recordings
  std::vector<DownloadFile> downloads;      ///< empty if the host gives no file to a program: see how_to_get
  std::vector<SplitInfo> splits;
  std::vector<std::string> class_names;
  // Recordings: what they look like before they are made smaller.
  bool is_recordings = false;
  int sensor_width = 0, sensor_height = 0;
  int channels = 2;
  bool is_users_own = false;  ///< nothing is known beforehand: classes and sizes are those of the folder
};

/// Facts about a registered set. Throws ConfigError listing the names if there is no such set.
const DatasetInfo& dataset_info(const std::string& name);

/// What was found out about one file or folder.
struct FileCheck {
  std::string path;
  bool ok = false;
  std::string message;   ///< one line: what was checked, or what is wrong
  bool missing = false;  ///< not ok only because it, or a part of it, is not there
};

/// How much of a split is there.
struct SplitCount {
  std::string name;
  std::int64_t found = 0;
  std::int64_t expected = 0;
  std::vector<std::int64_t> per_class;  ///< samples of each class, in the order of class_names
};

/// How much verify_dataset() does.
enum class VerifyDepth {
  kFull,   ///< reads everything
  kQuick,  ///< counts, and of files whose size is published the size: opens no recording
};

struct VerifyReport {
  VerifyDepth depth = VerifyDepth::kFull;  ///< what was asked for
  bool found = false;
  std::string root;               ///< the folder found; empty if none
  std::string message;            ///< if not found: each place looked and how to get the set
  std::vector<FileCheck> checks;  ///< one a file; for recordings one a folder, and one for each bad recording
  std::vector<SplitCount> counts;
  std::vector<std::string> class_names;  ///< in the order of SplitCount::per_class
  bool complete = false;  ///< every sample of the published set is there and every check passed

  /// Something that is there is not as it should be. Neither complete nor damaged: a part is missing.
  bool damaged() const;
  /// "59,000 of 60,000 train samples missing, 1 of 4 files missing"; empty if nothing is.
  std::string missing_text() const;
};

/// Told now and then what is read, and how many of its recordings or files are done.
using VerifyProgress = std::function<void(const std::string& what, std::int64_t done, std::int64_t total)>;

struct VerifyRequest {
  DataSettings settings;  ///< dataset; for the user's own sets also where they are and how they are read
  std::string data_dir;   ///< as open_dataset()
  VerifyDepth depth = VerifyDepth::kFull;
  VerifyProgress progress;  ///< may be empty
};

/// Reads the whole set and checks sizes, published MD5 sums, formats, counts and class balance. The folder is
/// searched as by open_dataset(). Damage is reported, not thrown; throws ConfigError for an unknown name or
/// for settings that the set does not take.
VerifyReport verify_dataset(const VerifyRequest& request);
VerifyReport verify_dataset(const std::string& name, const std::string& data_dir,
                            VerifyDepth depth = VerifyDepth::kFull);

}  // namespace spikeloom::data
