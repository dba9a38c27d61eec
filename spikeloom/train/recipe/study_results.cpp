#include "spikeloom/train/recipe/study_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;

bool is_there(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// The first line in which two recipes as TOML differ, as "[section] key"; "" if they are equal. What only
/// names a run does not count.
std::string first_difference(Recipe stored, const Recipe& wanted) {
  stored.name = wanted.name;
  stored.description = wanted.description;
  // "auto" was settled when it was trained.
  if (wanted.network.compute.precision == model::Precision::kAuto) {
    stored.network.compute.precision = model::Precision::kAuto;
  }
  std::istringstream one(to_toml(stored)), other(to_toml(wanted));
  std::string section, a, b;
  while (std::getline(one, a) && std::getline(other, b)) {
    if (!a.empty() && a.front() == '[') section = a.substr(1, a.find(']') - 1) + ".";
    if (a != b) return section + a.substr(0, a.find(' '));
  }
  return "";
}

void read_result(const std::string& path, CellResult& result) {
  try {
    const auto json = nlohmann::json::parse(read_text_file(path));
    result.iterations = json.at("iterations").get<std::int64_t>();
    result.train_seconds = json.at("train_seconds").get<double>();
    result.epochs = json.at("epochs").get<int>();
    for (const char* key : {"test_accuracy", "validation_accuracy"}) {
      if (!json.contains(key)) continue;
      result.accuracy = json.at(key).get<double>();
      result.on_validation = key != std::string("test_accuracy");
      break;
    }
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(
        fmt::format("is not a run's result ({}); remove the run to train it again", error.what()), path);
  }
}

}  // namespace

CellResult read_cell(const Study& study, const StudyCell& cell, const std::string& study_folder) {
  CellResult result;
  result.folder = (fs::path(study_folder) / to_string(study.scale) / cell.folder).string();
  if (!is_there(result.folder + "/checkpoint.safetensors")) return result;
  const std::string recipe = result.folder + "/recipe.toml";
  // A run that was killed before its recipe was written starts with it again.
  if (is_there(recipe)) result.differing_key = first_difference(load_recipe(recipe), cell.recipe);
  if (!result.differing_key.empty()) {
    result.state = CellState::kDiffers;
    return result;
  }
  const std::string finished = result.folder + "/result.json";
  result.state = is_there(finished) ? CellState::kDone : CellState::kStopped;
  if (result.state == CellState::kDone) read_result(finished, result);
  return result;
}

double StudyFigure::mean() const {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

double StudyFigure::half_range() const {
  if (values.empty()) return 0.0;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return 0.5 * (*high - *low);
}

std::vector<std::vector<StudyFigure>> gather(const Study& study, const std::vector<CellResult>& results) {
  std::vector<std::vector<StudyFigure>> figures(study.rows.size(),
                                                std::vector<StudyFigure>(study.columns.size()));
  for (std::size_t i = 0; i < study.cells.size(); ++i) {
    const StudyCell& cell = study.cells[i];
    const CellResult& result = results[i];
    StudyFigure& figure = figures[cell.row][cell.column];
    ++figure.expected;
    if (result.state != CellState::kDone) continue;
    if (study.metric == StudyMetric::kSecondsPerEpoch) {
      if (result.epochs > 0) figure.values.push_back(result.train_seconds / result.epochs);
    } else if (result.accuracy) {
      const double percent = 100.0 * *result.accuracy;
      figure.values.push_back(study.metric == StudyMetric::kError ? 100.0 - percent : percent);
      figure.on_validation = figure.on_validation || result.on_validation;
    }
  }
  return figures;
}

std::string to_string(const StudyFigure& figure) {
  if (figure.values.empty()) return "";
  std::string text = fmt::format("{:.2f}", figure.mean());
  const int count = static_cast<int>(figure.values.size());
  if (count > 1) text += fmt::format(" +- {:.2f}", figure.half_range());
  if (count < figure.expected) return text + fmt::format(" ({} of {})", count, figure.expected);
  return count > 1 ? text + fmt::format(" ({})", count) : text;
}

const char* unit_of(StudyMetric metric) { return metric == StudyMetric::kSecondsPerEpoch ? "s" : "%"; }

}  // namespace spikeloom::train
