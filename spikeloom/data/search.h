#pragma once
#include <string>

#include "spikeloom/data/datasets/source.h"

namespace spikeloom::data {

/// Outcome of a search for a set's folder.
struct SearchResult {
  std::string root;     ///< empty if not found
  std::string message;  ///< if not found: the set, each place looked, the files expected and how to get them
};

/// Looks for a set's folder in `data_dir`; if that is empty, in SPIKELOOM_DATA_DIR, ./data and the set's
/// system places. In all but the last the set's usual sub-folders are tried first, then the place itself. A
/// `data_dir` is final: a set that is not there is a mistake to be told, not to be searched around.
SearchResult search_root(const Source& source, const std::string& data_dir);

}  // namespace spikeloom::data
