#include "spikeloom/data/search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// A folder; of the user's own set it may be a file.
bool is_there(const Source& source, const fs::path& path) {
  std::error_code ignored;
  return is_folder(path) || (source.info.is_users_own && fs::is_regular_file(path, ignored));
}

std::string root_within(const Source& source, const fs::path& base) {
  for (const std::string& folder : source.info.folders) {
    const fs::path root = base / folder;
    if (is_there(source, root) && source.recognizes(root)) return root.string();
  }
  if (source.info.is_users_own) return "";  // any folder would do: only the one that was named
  return is_folder(base) && source.recognizes(base) ? base.string() : "";
}

}  // namespace

SearchResult search_root(const Source& source, const std::string& data_dir) {
  const DatasetInfo& info = source.info;
  SearchResult result;
  if (!data_dir.empty() && !is_folder(data_dir)) {
    result.message =
        fmt::format("{}: the data folder '{}' does not exist; name a folder that holds one of: {}",
                    info.title, data_dir, fmt::join(info.folders, ", "));
    return result;
  }

  std::vector<std::string> looked;
  const auto look = [&](const std::string& base, const char* what) {
    if (!result.root.empty()) return;
    looked.push_back(fmt::format("{} ({}{})", base, what, is_folder(base) ? "" : ", no such folder"));
    result.root = root_within(source, base);
  };
  if (!data_dir.empty()) {
    look(data_dir, "the data folder given");
    if (result.root.empty()) {
      result.message = fmt::format(
          "{} was not found in {}, the data folder given: neither in a sub-folder {} nor in the folder "
          "itself. "
          "Expected: {}. "
          "To get it: {}",
          info.title, data_dir, fmt::join(info.folders, ", "), info.layout, info.how_to_get);
    }
    return result;
  }
  const char* variable = std::getenv("SPIKELOOM_DATA_DIR");
  if (variable != nullptr && *variable != '\0') {
    look(variable, "SPIKELOOM_DATA_DIR");
  } else {
    looked.emplace_back("SPIKELOOM_DATA_DIR (not set)");
  }
  std::error_code ignored;
  look((fs::current_path(ignored) / "data").string(), "working folder");
  for (const std::string& folder : info.system_folders) {
    if (!result.root.empty()) break;
    looked.push_back(folder);
    if (is_there(source, folder) && source.recognizes(folder)) result.root = folder;
  }
  if (result.root.empty() && info.is_users_own) {
    result.message =
        fmt::format("{}: '{}' was not found, or holds nothing of that kind. Looked in: {}. Expected: {}",
                    info.title, info.folders.front(), fmt::join(looked, ", "), info.layout);
  } else if (result.root.empty()) {
    result.message = fmt::format(
        "{} was not found. Looked in: {}; in each, the sub-folders {} and the folder itself. "
        "Expected: {}. To get it: {}",
        info.title, fmt::join(looked, ", "), fmt::join(info.folders, ", "), info.layout, info.how_to_get);
  }
  return result;
}

}  // namespace spikeloom::data
