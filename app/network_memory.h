#pragma once
#include <string>

#include "spikeloom/model/memory_estimate.h"
#include "spikeloom/model/plan.h"

namespace spikeloom::app {

/// Memory of a network string, for which neither batch nor optimiser is settled: one line.
std::string memory_line(const model::NetworkPlan& plan, const model::NetworkSettings& settings);

/// Throws ConfigError, called by `option`, if weights alone (with gradients, and `moments` values of the
/// optimiser for each weight, in training) are more than this process can have.
void check_memory(const model::NetworkPlan& plan, const model::NetworkSettings& settings,
                  const model::MemoryUse& use, const std::string& option);

}  // namespace spikeloom::app
