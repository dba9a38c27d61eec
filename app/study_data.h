#pragma once
#include <map>
#include <string>
#include <utility>

#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {

/// Looks for the data sets of runs, for each once.
class DataSearch {
 public:
  explicit DataSearch(std::string data_dir) : data_dir_(std::move(data_dir)) {}

  /// Where a run's data set was looked for and how to get it; "" = it was found.
  const std::string& missing(const train::Recipe& recipe);
  /// Where it is; after missing().
  const std::string& root(const train::Recipe& recipe);

 private:
  std::string data_dir_;
  std::map<std::string, std::string> found_, roots_;
};

}  // namespace spikeloom::app
