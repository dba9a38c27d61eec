#pragma once
#include <nlohmann/json.hpp>

#include "spikeloom/model/plan.h"

namespace spikeloom::app {

/// The layers of a network with shapes, parameters and multiply-accumulates a step.
nlohmann::ordered_json network_json(const model::NetworkPlan& plan, const model::NetworkSettings& settings);

/// The same as a table, with totals.
void print_network(const model::NetworkPlan& plan, const model::NetworkSettings& settings);

}  // namespace spikeloom::app
