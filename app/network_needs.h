#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "spikeloom/model/memory_estimate.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {

/// Memory that training and evaluation by a recipe need (estimates in bytes), and where the set's size is
/// known the work of an epoch (multiply-accumulates of the dense network, forward and backward).
nlohmann::ordered_json needs_json(const model::NetworkPlan& plan, const train::Recipe& recipe);

/// The same in lines, with the command that measures the speed here.
void print_needs(const model::NetworkPlan& plan, const train::Recipe& recipe);

/// Memory of a network string, for which neither batch nor optimiser is settled: one line.
std::string memory_line(const model::NetworkPlan& plan, const model::NetworkSettings& settings);

/// Throws ConfigError, called by `option`, if weights alone (with gradients, and `moments` values of the
/// optimiser for each weight, in training) are more than this process can have.
void check_memory(const model::NetworkPlan& plan, const model::NetworkSettings& settings,
                  const model::MemoryUse& use, const std::string& option);

}  // namespace spikeloom::app
