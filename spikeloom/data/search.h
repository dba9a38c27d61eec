#pragma once
#include <string>

#include "spikeloom/data/datasets/source.h"

namespace spikeloom::data {

/// Outcome of a search for a set's folder.
struct SearchResult {
  std::string root;     ///< empty if not found
  std::string message;  ///< if not found: the set, each place looked, the files expected and how to get them
};

/// Looks for a set's folder in `data_dir` (if not empty), SPIKELOOM_DATA_DIR, ./data and the set's system
/// places; in each of the first three in the set's usual sub-folders first, then in the place itself. A
/// `data_dir` that does not exist ends the search: it is a mistake to be told, not to be searched around.
SearchResult search_root(const Source& source, const std::string& data_dir);

}  // namespace spikeloom::data
