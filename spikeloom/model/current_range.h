#pragma once
// Whether a network's arithmetic can overflow. A spike, 0 or 1, hides it: a potential that is no number never
// fires, an infinite one always, and the votes look like votes. So it is asked before anything is run.
#include <vector>

#include "spikeloom/model/program.h"

namespace spikeloom::model {

/// Largest value of an input, either way, that the bound below is for: far beyond pixels and counts of
/// events.
constexpr double kLargestInput = 1e9;
/// Largest current and potential: their squares (of a loss) are floats, too.
constexpr double kLargestCurrent = 1e18;

/// Throws NumericsError, naming the stage, for a spiking network whose currents or potentials may be beyond
/// kLargestCurrent, by a bound that no trained network comes near: the largest weight of a stage times what
/// it adds up, through normalisation, NeuNorm, shortcuts and recurrence. Of artificial networks, whose values
/// grow from layer to layer and reach the output, nothing is asked. slots: the values of each slot of the
/// program.
void check_currents(const Program& program, const std::vector<std::vector<float>>& slots);

}  // namespace spikeloom::model
