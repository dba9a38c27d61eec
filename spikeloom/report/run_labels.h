#pragma once
#include <string>
#include <vector>

#include "spikeloom/report/run_folder.h"

namespace spikeloom::report {

/// What to call each of several runs: its name; of runs of one name as much of the path before it as tells
/// them apart ("a/run1", "b/run1"), of a run that is there twice with a number ("run1 (2)").
std::vector<std::string> run_labels(const std::vector<RunRecord>& runs);

}  // namespace spikeloom::report
