#include "app/recipe_search.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "spikeloom/base/errors.h"

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
  std::error_code
      ignored;  // what cannot be looked up (a network string is longer than a file name may be) is no file
  if (fs::is_regular_file(name, ignored)) return name;
  for (const auto& folder : recipe_folders()) {
    for (const auto& candidate : {folder / name, folder / (name + ".toml")}) {
      if (fs::is_regular_file(candidate, ignored)) return candidate.string();
    }
  }
  return "";
}

std::vector<std::string> list_recipes() {
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

std::string find_recipe(const std::string& name) {
  const std::string path = try_find_recipe(name);
  if (!path.empty()) return path;
  std::string close;
  const std::string last = fs::path(name).stem().string();
  for (const auto& recipe : list_recipes()) {
    const bool alike = !last.empty() && recipe.find(last) != std::string::npos;
    const bool same_start = !alike && recipe.substr(0, 4) == name.substr(0, 4);
    if ((alike || same_start) && std::count(close.begin(), close.end(), ',') < 4) {
      close += (close.empty() ? "" : ", ") + recipe;
    }
  }
  throw ConfigError(
      "no recipe '" + name + "'" +
      (close.empty() ? "; 'spikeloom train --list' names them all" : "; did you mean " + close + "?"));
}

}  // namespace spikeloom::app
