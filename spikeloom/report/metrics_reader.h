#pragma once
#include <string>

#include "spikeloom/report/run_folder.h"

namespace spikeloom::report {

/// Reads metrics.jsonl, a line at a time, into a run: steps, epochs, layers, resumed, iterations,
/// train_seconds, the best epoch, why it failed. Lines that are no object of a known kind are skipped; how
/// many lines are no JSON at all, but for a last one that is being written, is a problem of the run; so is a
/// file that cannot be read. Not for a pipe, which would keep its reader waiting.
///
/// Where a line's iteration was there before, the lines from that one on are those of a training that went on
/// from an earlier checkpoint: they take the place of what was there. An epoch that training.max_iterations
/// had cut and that was trained to its end is that of its last line.
///
/// Of a file of more than limits.parsed_bytes only every N-th line of an iteration is looked into, so that
/// about so many bytes are; the same of other kinds once they are as many. The last line of each kind always
/// is. What was passed over is a problem of the run. Throws nothing but std::bad_alloc.
void read_metrics(const std::string& path, const ReadLimits& limits, RunRecord& run);

}  // namespace spikeloom::report
