#include "app/study_data.h"

#include "spikeloom/data/search.h"

namespace spikeloom::app {

const std::string& DataSearch::missing(const train::Recipe& recipe) {
  const std::string key = recipe.data.dataset + " " + recipe.data.folder;
  const auto [place, is_new] = found_.emplace(key, "");
  if (is_new) {
    const data::SearchResult search = data::search_root(data::source_of(recipe.data), data_dir_);
    place->second = search.root.empty() ? search.message : "";
    roots_[key] = search.root;
  }
  return place->second;
}

const std::string& DataSearch::root(const train::Recipe& recipe) {
  return roots_[recipe.data.dataset + " " + recipe.data.folder];
}

}  // namespace spikeloom::app
