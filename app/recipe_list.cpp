#include "app/recipe_list.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/output.h"
#include "app/recipe_search.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::app {
namespace {

std::string description_of(const std::string& file) {
  try {
    return train::load_recipe(file).description;
  } catch (const Error& error) {
    return std::string("cannot be read: ") + error.what();
  }
}

/// The text's beginning if it is longer, cut between words.
std::string shortened(const std::string& text, std::size_t columns) {
  if (text.size() <= columns) return text;
  const std::string gap = " ...";
  const std::size_t blank = text.rfind(' ', columns - gap.size());
  return text.substr(0, blank == std::string::npos ? columns - gap.size() : blank) + gap;
}

}  // namespace

void list_recipes(RecipeListing listing) {
  constexpr std::size_t kWidth = 80, kNarrowest = 20;
  const auto names = recipe_names();
  if (listing == RecipeListing::kNames) {
    for (const auto& name : names) print_line(stdout, name);
    return;
  }
  std::size_t longest = 0;
  for (const auto& name : names) longest = std::max(longest, name.size());
  const std::size_t columns = longest + 2 + kNarrowest < kWidth ? kWidth - longest - 2 : kNarrowest;
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  for (const auto& name : names) {
    const std::string file = try_find_recipe(name);
    const std::string description = one_line(description_of(file));
    json.push_back({{"name", name}, {"file", file}, {"description", description}});
    rows.push_back({name, shortened(description, columns)});
  }
  if (listing == RecipeListing::kJson) {
    print_json(json);
  } else {
    print_line(stdout, table(rows, {}));
  }
}

}  // namespace spikeloom::app
