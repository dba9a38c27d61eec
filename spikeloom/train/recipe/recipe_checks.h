#pragma once
// What is wrong with a recipe beyond the type and range of each key: texts that have a grammar of their own,
// and settings that contradict each other.
#include "spikeloom/config/table.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

/// Throws ConfigError with file, line and key of the first mistake, model::StructureError for the network.
/// `root`: the document that `recipe` was read from.
void check_recipe(config::Table& root, const Recipe& recipe);

/// The key that other programs and papers call so: "optimizer.learning_rate" for "lr"; "" if there is none.
/// Errors about unknown keys suggest it.
std::string recipe_key_called(const std::string& name);

}  // namespace spikeloom::train
