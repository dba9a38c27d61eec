#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "spikeloom/model/plan.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {

/// Memory that training and evaluation by a recipe need (estimates in bytes), and where the set's size is
/// known the work of an epoch (multiply-accumulates of the dense network, forward and backward).
nlohmann::ordered_json needs_json(const model::NetworkPlan& plan, const train::Recipe& recipe);

/// The same in lines, with the command that measures the speed here.
void print_needs(const model::NetworkPlan& plan, const train::Recipe& recipe);

}  // namespace spikeloom::app
