#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

/// Learning rate of a training iteration, before the parameter groups' factors. With f = final_rate_fraction
/// and progress = iteration / all iterations:
///
///     constant   rate
///
///     step       rate * factor^floor(epoch / step_epochs)
///
///     cosine     rate * (f + (1 - f) (1 + cos(pi * progress)) / 2)
///
///     linear     rate * (1 - (1 - f) progress)
///
///     one-cycle  rate / 25 -> rate over the first 30 % of the iterations, then -> f * rate, along cosines
///
/// During the first warmup_epochs the result is multiplied by (iteration + 1) / (warm-up iterations).
/// iteration counts from 0 over all epochs. Source: step as in Wu et al. 2019; cosine: Loshchilov & Hutter
/// 2017; one-cycle: Smith and Topin 2018, with the shares that the usual frameworks have.
double learning_rate_at(const OptimizerSettings& optimizer, const ScheduleSettings& schedule, int epochs,
                        std::int64_t iterations_per_epoch, std::int64_t iteration);

/// Epochs that are trained with the same number of time steps.
struct StepsPhase {
  int num_steps = 1;
  int epochs = 1;
};

/// The phases that "T:EPOCHS, T:EPOCHS ..." names, each with T >= 1 and EPOCHS >= 1; none for "". Throws
/// ConfigError that names the part that is none.
std::vector<StepsPhase> parse_steps_schedule(const std::string& text);

/// All phases of a training; the last, of network.num_steps, has no end.
std::vector<StepsPhase> steps_phases(const Recipe& recipe);

/// T of an epoch (from 0).
int num_steps_at(const Recipe& recipe, int epoch);

}  // namespace spikeloom::train
