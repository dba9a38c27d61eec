#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace spikeloom::data {

/// Told while a file is downloaded or unpacked ("downloading", "unpacking"); false ends it. total -1: not
/// known.
using FetchProgress = std::function<bool(const std::string& action, const std::string& file,
                                         std::int64_t done, std::int64_t total)>;

struct FetchRequest {
  std::string name;      ///< of a registered set
  std::string data_dir;  ///< "" = SPIKELOOM_DATA_DIR, else ./data
  /// Instead of the set's own addresses: a folder on the web that holds the files under their published
  /// names.
  std::string from;
};

struct FetchReport {
  std::string folder;              ///< where everything went
  std::vector<std::string> files;  ///< one line a file: what was done
  bool stopped = false;            ///< by progress; asking again goes on
};

/// Downloads a set's files into DATA/<usual folder> and unpacks archives there; what is there already is
/// checked and kept. Throws ConfigError for an unknown set, DataError as download() and unpack_archive(), and
/// for a set whose host gives no file to a program: how to get it then.
FetchReport fetch_dataset(const FetchRequest& request, const FetchProgress& progress);

}  // namespace spikeloom::data
