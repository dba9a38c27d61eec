#include "app/recipe_search.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/config/table.h"

namespace spikeloom::app {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> recipe_folders() {
  std::vector<fs::path> folders{"recipes"};
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "share" / "spikeloom" / "recipes");
  folders.emplace_back(SPIKELOOM_RECIPE_DIR);
  return folders;
}

}  // namespace

std::string try_find_recipe(const std::string& name) {
  // What cannot be looked up (a network string may be longer than a file name) is no file.
  std::error_code ignored;
  if (fs::is_regular_file(name, ignored)) return name;
  for (const auto& folder : recipe_folders()) {
    for (const auto& candidate : {folder / name, folder / (name + ".toml")}) {
      if (fs::is_regular_file(candidate, ignored)) return candidate.string();
    }
  }
  return "";
}

std::vector<std::string> recipe_names() {
  std::set<std::string> names;
  for (const auto& folder : recipe_folders()) {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
      if (entry.path().extension() != ".toml") continue;
      names.insert(fs::relative(entry.path(), folder).replace_extension().string());
    }
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> similar_recipes(const std::string& name) {
  constexpr std::size_t kShown = 4;
  const std::string last = fs::path(name).stem().string();
  const std::vector<std::string> all = recipe_names();
  std::vector<std::string> found, alike, lasts;
  for (const auto& recipe : all) {
    lasts.push_back(fs::path(recipe).filename().string());
    if (lasts.back() == last) {
      found.push_back(recipe);
    } else if (!last.empty() && recipe.find(last) != std::string::npos) {
      alike.push_back(recipe);
    }
  }
  found.insert(found.end(), alike.begin(), alike.end());
  const std::string nearest = found.empty() ? config::nearest(last, lasts) : "";
  for (std::size_t i = 0; !nearest.empty() && i < all.size(); ++i) {
    if (lasts[i] == nearest) found.push_back(all[i]);
  }
  found.resize(std::min(found.size(), kShown));
  return found;
}

std::string find_recipe(const std::string& name) {
  const std::string path = try_find_recipe(name);
  if (!path.empty()) return path;
  std::string close;
  for (const auto& recipe : similar_recipes(name)) close += (close.empty() ? "" : ", ") + recipe;
  throw ConfigError(
      "no recipe '" + name + "'" +
      (close.empty() ? "; 'spikeloom train --list' lists them all" : "; did you mean " + close + "?"));
}

}  // namespace spikeloom::app
