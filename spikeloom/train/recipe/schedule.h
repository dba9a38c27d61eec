#pragma once
#include <cstdint>

#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

/// Learning rate of a training iteration, before the parameter groups' factors.
///
///     constant  rate
///     step      rate * factor^floor(epoch / step_epochs)
///     linear    rate * (1 - (1 - f) progress)
///     one-cycle rate * (1/25 -> 1 over the first 30 % of the iterations, then 1 -> f, both along half a
///     cosine) cosine    rate * (f + (1 - f) (1 + cos(pi * progress)) / 2),  progress = iteration / all
///     iterations
///
/// During the first warmup_epochs the result is multiplied by (iteration + 1) / (warm-up iterations).
/// iteration counts from 0 over all epochs. Source: step as in Wu et al. 2019; cosine: Loshchilov & Hutter
/// 2017; one-cycle: Smith and Topin 2018, with the shares that the usual frameworks have.
double learning_rate_at(const OptimizerSettings& optimizer, const ScheduleSettings& schedule, int epochs,
                        std::int64_t iterations_per_epoch, std::int64_t iteration);

}  // namespace spikeloom::train
