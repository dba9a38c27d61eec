#pragma once
// Which keys of a recipe may change when a run is resumed.
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {

struct RecipeChange {
  std::string key;            ///< dotted: "training.epochs"
  std::string before, after;  ///< as TOML
};

/// Every dotted key of a recipe with its value as TOML, in the order of the file.
std::vector<std::pair<std::string, std::string>> recipe_entries(const Recipe& recipe);

/// The keys in which two recipes differ, in the order of the file.
std::vector<RecipeChange> recipe_changes(const Recipe& before, const Recipe& after);

/// The keys that a resumed run may change: how long it trains, learning rate and schedule, and what decides
/// about speed and safety only. Patterns: "schedule.*".
const std::vector<std::string>& keys_that_may_change();
bool may_change(const std::string& key);

/// A run's recipe with changes ("training.epochs=20") for the time from now on. Throws ConfigError with key
/// for anything that is no recipe any more, or changes another key: it lists those that may.
Recipe changed_recipe(const Recipe& run, const std::vector<std::string>& assignments);

/// Refuses a run folder's recipe.toml that is not the run's recipe (any more): edits there have no effect.
/// `path` need not exist. Throws ConfigError that names the keys and says what to do instead.
void check_unedited(const Recipe& run, const std::string& path);

/// "training.epochs = 20 (was 10), training.workers = 2 (was 1)".
std::string describe(const std::vector<RecipeChange>& changes);

}  // namespace spikeloom::train
