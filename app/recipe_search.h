#pragma once
#include <string>
#include <vector>

namespace spikeloom::app {

/// The recipe file that `name` means: a path, or a name below a recipe folder, with or without ".toml"
/// ("fashion-mnist-demo", "cifar10/cifarnet"). Folders, in order: ./recipes, the one beside the program
/// (installed: ../share/spikeloom/recipes; built: the source tree's). Throws ConfigError naming close
/// matches.
std::string find_recipe(const std::string& name);

/// The nearest names of recipes to one that is none, best first, at most four.
/// The same name in another folder comes first, then names that hold it, then the nearest spelling.
std::vector<std::string> similar_recipes(const std::string& name);

/// find_recipe, or "" if there is none.
std::string try_find_recipe(const std::string& name);

/// All recipes that can be named, sorted.
std::vector<std::string> recipe_names();

}  // namespace spikeloom::app
