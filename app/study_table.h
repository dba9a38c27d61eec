#pragma once
#include <string>
#include <vector>

#include "spikeloom/train/recipe/study_results.h"

namespace spikeloom::app {

/// "T 4, CIFARNet, seed 1": a run of a study.
std::string label_of(const train::Study& study, const train::StudyCell& cell);

/// "not begun", "stopped", "done", "other settings".
const char* word(train::CellState state);

/// Prints the table of a study as far as its runs are done, references beside the figures; with
/// StudyMetric::kVotes also the matrix of votes at each place. results: one for each of study.cells.
void print_study(const train::Study& study, const std::vector<train::CellResult>& results);

/// The same as JSON, with each run.
void print_study_json(const train::Study& study, const std::vector<train::CellResult>& results);

}  // namespace spikeloom::app
