#pragma once
#include <string>
#include <vector>

#include "spikeloom/train/recipe/study_results.h"

namespace spikeloom::app {

/// What `spikeloom study` was told.
struct StudyOptions {
  std::string study, out = "studies-out", scale = "full", data_dir, device = "cpu";
  int threads = 0;
  bool json = false, quiet = false, dry_run = false;
};

/// Where the runs of a study are.
std::string study_folder(const StudyOptions& options, const train::Study& study);

/// How many are in that state.
std::size_t count_of(const std::vector<train::CellResult>& results, train::CellState state);

/// The same command with another verb, to be typed again.
std::string study_command(const StudyOptions& options, const std::string& verb);

}  // namespace spikeloom::app
