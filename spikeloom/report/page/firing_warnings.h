#pragma once
#include <string>
#include <vector>

#include "spikeloom/report/page/page.h"

namespace spikeloom::report {

/// Layers that never or always fire, as sentences: by the last rates that the training wrote, else by those
/// of the samples. Thresholds and advice are the training's own (train/session/training_log.cpp).
std::vector<std::string> firing_warnings(const RunRecord& run, const RunDetails& details);

}  // namespace spikeloom::report
