#pragma once
#include <cstdint>

#include "spikeloom/base/span.h"
#include "spikeloom/engine/loss.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

/// What the engine takes for a recipe's loss.
engine::LossSpec loss_spec(const LossSettings& settings);

/// The loss of one sample from its votes [classes], for evaluation: the engine's on the votes of all steps
/// together, without label smoothing, so that recipes can be compared. label in [0, classes).
double vote_loss(Span<const float> votes, std::int64_t label, const LossSettings& settings);

/// The class with the highest vote; of equal ones the lowest.
std::int64_t best_class(Span<const float> votes);

}  // namespace spikeloom::train
