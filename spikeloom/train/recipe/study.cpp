#include "spikeloom/train/recipe/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/config/toml.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;

/// A label as a part of a folder's name: letters, digits and '.' stay.
std::string folder_part(const std::string& label) {
  std::string part;
  for (const char c : label) {
    const bool fit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
    if (fit) {
      part += c;
    } else if (!part.empty() && part.back() != '-') {
      part += '-';
    }
  }
  while (!part.empty() && part.back() == '-') part.pop_back();
  return part;
}

std::vector<std::string> split_overrides(const std::string& text) {
  std::vector<std::string> overrides;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find(';', begin);
    if (end == std::string::npos) end = text.size();
    std::string one = text.substr(begin, end - begin);
    one.erase(0, one.find_first_not_of(' '));
    one.erase(one.find_last_not_of(' ') + 1);
    if (!one.empty()) overrides.push_back(one);
    begin = end + 1;
  }
  return overrides;
}

std::string beside(const std::string& study_file, const std::string& recipe) {
  return (fs::path(study_file).parent_path() / recipe).lexically_normal().string();
}

/// The points of [rows] or [columns]; a single one without a label where the table is absent.
std::vector<StudyPoint> read_axis(config::Table root, const char* name, const std::string& file,
                                  StudyScale scale) {
  if (!root.has(name)) return {StudyPoint{}};
  config::Table axis = root.table(name);
  const std::string key = axis.get_string("key", "");
  const std::vector<std::string> values = axis.get_strings("values");
  const std::vector<std::string> sets = axis.get_strings("set");
  std::vector<std::string> recipes = axis.get_strings("recipes");
  const std::vector<std::string> small_recipes = axis.get_strings("small_recipes");
  std::vector<std::string> labels = axis.get_strings("labels");
  const std::vector<std::string> small_labels = axis.get_strings("small_labels");
  const std::vector<std::string> small_sets = axis.get_strings("small_set");
  axis.get_string("name", "");  // read by load_study(), for rows
  const std::size_t count = std::max({values.size(), sets.size(), recipes.size()});
  if (count == 0) {
    throw axis.error("values", "an axis has 'values' of a 'key', or 'set', or 'recipes'");
  }
  const auto check_length = [&](const std::vector<std::string>& list, const char* what) {
    if (list.empty() || list.size() == count) return;
    throw axis.error(what,
                     fmt::format("has {} and the axis {}",
                                 counted(static_cast<std::int64_t>(list.size()), "entry", "entries"), count));
  };
  check_length(values, "values");
  check_length(sets, "set");
  check_length(recipes, "recipes");
  check_length(small_recipes, "small_recipes");
  check_length(small_labels, "small_labels");
  check_length(small_sets, "small_set");
  if (scale == StudyScale::kSmall) {
    if (!small_recipes.empty()) recipes = small_recipes;
    if (!small_labels.empty()) labels = small_labels;
  }
  if (values.empty() != key.empty()) {
    throw axis.error(values.empty() ? "key" : "values", "'key' and 'values' belong together");
  }
  if (labels.empty()) labels = values.empty() ? sets : values;
  if (labels.size() != count) {
    throw axis.error("labels",
                     fmt::format("{} for {}", counted(static_cast<std::int64_t>(labels.size()), "label"),
                                 counted(static_cast<std::int64_t>(count), "point")));
  }
  std::vector<StudyPoint> points(count);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < count; ++i) {
    StudyPoint& point = points[i];
    point.label = labels[i];
    if (folder_part(point.label).empty()) {
      throw axis.error("labels", fmt::format("'{}' has no letter and no digit", point.label));
    }
    if (!seen.insert(folder_part(point.label)).second) {
      throw axis.error("labels", fmt::format("'{}': each run's folder is named after its labels, and "
                                             "another label gives the same name",
                                             point.label));
    }
    if (!recipes.empty()) point.recipe = beside(file, recipes[i]);
    if (!sets.empty()) point.overrides = split_overrides(sets[i]);
    if (scale == StudyScale::kSmall && !small_sets.empty()) {
      for (const std::string& one : split_overrides(small_sets[i])) point.overrides.push_back(one);
    }
    if (!values.empty()) point.overrides.push_back(key + "=" + values[i]);
  }
  return points;
}

void read_reference(config::Table root, Study& study) {
  study.reference.assign(study.rows.size(), std::vector<std::optional<double>>(study.columns.size()));
  if (!root.has("reference")) return;
  config::Table table = root.table("reference");
  study.source = table.get_string("source", "");
  const std::vector<std::string> figures = table.get_strings("figures");
  if (figures.size() != study.rows.size() * study.columns.size()) {
    throw table.error("figures",
                      fmt::format("has {}, expected {} x {}",
                                  counted(static_cast<std::int64_t>(figures.size()), "entry", "entries"),
                                  counted(static_cast<std::int64_t>(study.rows.size()), "row"),
                                  counted(static_cast<std::int64_t>(study.columns.size()), "column")));
  }
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const std::string& text = figures[i];
    if (text.empty()) continue;
    double value = 0.0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
      throw table.error("figures", fmt::format("'{}' is not a number (\"\" where there is none)", text));
    }
    study.reference[i / study.columns.size()][i % study.columns.size()] = value;
  }
}

/// The key 'seeds' of a table; without it: what is given instead.
std::vector<std::uint64_t> read_seeds(config::Table table, const std::vector<std::uint64_t>& otherwise) {
  if (!table.has("seeds")) return otherwise;
  std::vector<std::uint64_t> seeds;
  for (const std::int64_t seed : table.get_ints("seeds", {})) {
    if (seed < 0) throw table.error("seeds", "a seed is 0 or more");
    if (std::find(seeds.begin(), seeds.end(), static_cast<std::uint64_t>(seed)) != seeds.end()) {
      throw table.error("seeds", fmt::format("{} is listed twice", seed));
    }
    seeds.push_back(static_cast<std::uint64_t>(seed));
  }
  if (seeds.empty()) throw table.error("seeds", "is empty; give at least one");
  return seeds;
}

std::string cell_folder(const Study& study, const StudyCell& cell) {
  std::string name;
  for (const std::string& label : {study.rows[cell.row].label, study.columns[cell.column].label}) {
    if (!label.empty()) name += folder_part(label) + "_";
  }
  return name + "seed-" + std::to_string(cell.seed);
}

}  // namespace

const char* to_string(StudyScale scale) { return scale == StudyScale::kFull ? "full" : "small"; }

Study load_study(const std::string& path, StudyScale scale) {
  const config::Toml document = config::Toml::parse_file(path);
  config::Table root = document.root();
  Study study;
  study.name = fs::path(path).stem().string();
  study.scale = scale;
  study.title = root.get_string("title", study.name);
  const std::string base = root.get_string("base", "");
  study.metric = root.choice("metric", StudyMetric::kAccuracy,
                             {{"accuracy", StudyMetric::kAccuracy},
                              {"error", StudyMetric::kError},
                              {"seconds-per-epoch", StudyMetric::kSecondsPerEpoch},
                              {"votes", StudyMetric::kVotes}});
  study.seeds = read_seeds(root, {1});
  study.rows = read_axis(root, "rows", path, scale);
  study.columns = read_axis(root, "columns", path, scale);
  study.row_name = root.has("rows") ? root.table("rows").get_string("name", "") : "";
  read_reference(root, study);

  std::string small_base;
  std::vector<std::string> small_overrides;
  if (root.has("small")) {
    config::Table small = root.table("small");
    small_base = small.get_string("base", "");
    for (const std::string& text : small.get_strings("set")) {
      for (const std::string& one : split_overrides(text)) small_overrides.push_back(one);
    }
    const auto small_seeds = read_seeds(small, study.seeds);
    if (scale == StudyScale::kSmall) study.seeds = small_seeds;
    study.scale_note = small.get_string("note", "");
  } else if (scale == StudyScale::kSmall) {
    throw root.error("small", "this study has no small scale; run it with --scale full");
  }
  const bool is_small = scale == StudyScale::kSmall;
  if (!is_small) study.scale_note.clear();
  root.finish();
  const auto has_small_recipes = [&](const char* axis) {
    return root.has(axis) && !root.table(axis).get_strings("small_recipes").empty();
  };
  if (is_small && (!small_base.empty() || has_small_recipes("rows") || has_small_recipes("columns"))) {
    // Other networks than those that the reference is about.
    study.source.clear();
    for (auto& row : study.reference) std::fill(row.begin(), row.end(), std::nullopt);
  }

  for (std::size_t row = 0; row < study.rows.size(); ++row) {
    for (std::size_t column = 0; column < study.columns.size(); ++column) {
      std::string recipe = is_small && !small_base.empty() ? small_base : base;
      recipe = recipe.empty() ? "" : beside(path, recipe);
      std::vector<std::string> overrides;
      if (is_small) overrides = small_overrides;
      for (const StudyPoint* point : {&study.columns[column], &study.rows[row]}) {
        if (!point->recipe.empty()) recipe = point->recipe;
        overrides.insert(overrides.end(), point->overrides.begin(), point->overrides.end());
      }
      if (recipe.empty()) throw root.error("base", "is missing; name a recipe, or 'recipes' on an axis");
      for (const std::uint64_t seed : study.seeds) {
        StudyCell cell;
        cell.row = row;
        cell.column = column;
        cell.seed = seed;
        std::vector<std::string> all = overrides;
        all.push_back("seed=" + std::to_string(seed));
        cell.recipe = load_recipe(recipe, all);
        cell.folder = cell_folder(study, cell);
        study.cells.push_back(std::move(cell));
      }
    }
  }
  return study;
}

}  // namespace spikeloom::train
