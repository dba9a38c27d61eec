#pragma once
#include <string>

#include "spikeloom/report/run_folder.h"

namespace spikeloom::report {

/// Reads metrics.jsonl, a line at a time, into a run: steps, epochs, layers, resumed, iterations,
/// train_seconds, the best epoch. Lines that are no object of a known kind are skipped; how many lines are
/// no JSON at all, but for a last one that is being written, is a problem of the run; so is a file that
/// cannot be read. Not for a pipe, which would keep its reader waiting. Throws nothing but std::bad_alloc.
void read_metrics(const std::string& path, const ReadLimits& limits, RunRecord& run);

}  // namespace spikeloom::report
