#include "spikeloom/train/recipe/recipe_changes.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "spikeloom/base/errors.h"

namespace spikeloom::train {

std::vector<std::pair<std::string, std::string>> recipe_entries(const Recipe& recipe) {
  std::vector<std::pair<std::string, std::string>> result;
  std::istringstream text(to_toml(recipe));
  std::string section;
  for (std::string line; std::getline(text, line);) {
    const auto equals = line.find(" = ");
    if (!line.empty() && line.front() == '[') {
      section = line.substr(1, line.size() - 2) + ".";
    } else if (equals != std::string::npos) {
      result.emplace_back(section + line.substr(0, equals), line.substr(equals + 3));
    }
  }
  return result;
}

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::vector<RecipeChange> recipe_changes(const Recipe& before, const Recipe& after) {
  const auto old_entries = recipe_entries(before), new_entries = recipe_entries(after);
  std::vector<RecipeChange> changes;
  for (std::size_t i = 0; i < old_entries.size(); ++i) {
    const auto& [key, value] = old_entries[i];
    if (value != new_entries[i].second) changes.push_back({key, value, new_entries[i].second});
  }
  return changes;
}

const std::vector<std::string>& keys_that_may_change() {
  static const std::vector<std::string> keys = {"training.epochs",
                                                "training.max_iterations",
                                                "training.early_stopping_epochs",
                                                "training.eval_batch_size",
                                                "training.log_every",
                                                "training.checkpoint_every",
                                                "training.checkpoint_minutes",
                                                "training.workers",
                                                "logging.*",
                                                "optimizer.learning_rate",
                                                "optimizer.max_gradient_norm",
                                                "schedule.*"};
  return keys;
}

bool may_change(const std::string& key) {
  const auto& keys = keys_that_may_change();
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& pattern) {
    if (pattern.back() != '*') return key == pattern;
    return key.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
  });
}

Recipe changed_recipe(const Recipe& run, const std::vector<std::string>& assignments) {
  const Recipe changed = parse_recipe(to_toml(run), "the run's recipe", assignments);
  for (const RecipeChange& change : recipe_changes(run, changed)) {
    if (may_change(change.key)) continue;
    throw ConfigError("is " + change.before +
                          " in this run and cannot change when it is resumed (these can: " +
                          joined(keys_that_may_change()) + "); begin a new run for that",
                      "--set", 0, change.key);
  }
  return changed;
}

void check_unedited(const Recipe& run, const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return;
  const std::string way_out = "; delete the file (it is written again from the checkpoint), then ";
  std::vector<RecipeChange> changes;
  try {
    changes = recipe_changes(run, load_recipe(path));
  } catch (const ConfigError& error) {
    throw ConfigError(std::string(error.what()) + way_out + "resume");
  }
  if (changes.empty()) return;
  std::vector<std::string> forbidden;
  std::string arguments;
  for (const RecipeChange& change : changes) {
    if (!may_change(change.key)) forbidden.push_back(change.key);
    arguments += " --set " + change.key + "=" + change.after;
  }
  throw ConfigError(
      path + ": was edited after the run began, which has no effect: " + describe(changes) + way_out +
      (forbidden.empty() ? "resume with" + arguments
                         : "begin a new run, since a resumed one cannot change " + joined(forbidden)));
}

std::string describe(const std::vector<RecipeChange>& changes) {
  std::string text;
  for (const RecipeChange& change : changes) {
    text += (text.empty() ? "" : ", ") + change.key + " = " + change.after + " (was " + change.before + ")";
  }
  return text;
}

}  // namespace spikeloom::train
