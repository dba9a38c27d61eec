#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {

/// What a run folder says about its training (report::read_run): "state" (finished, interrupted, running),
/// "epochs" (of the recipe), "epochs_done", "iterations", "history" (one object an epoch: epoch, train_loss,
/// train_accuracy and, with validation samples, validation_loss and validation_accuracy; what is not there or
/// cannot be is left out), "train_seconds", "problems" (what is missing, damaged or cannot be, a text each),
/// and of a finished run "selection", "validation_accuracy", "test_accuracy", "test_samples". Throws nothing
/// for what is missing.
nlohmann::ordered_json describe_run(const std::string& folder, const train::Recipe& recipe);

/// Shows it: the state, a line for each of the last epochs, the result and the command that resumes it;
/// problems as warnings.
void print_run(const std::string& folder, const nlohmann::ordered_json& run);

}  // namespace spikeloom::app
