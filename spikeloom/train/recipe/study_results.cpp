#include "spikeloom/train/recipe/study_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/json_text.h"

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
    const auto json = parse_json(read_text_file(path));
    result.iterations = json.at("iterations").get<std::int64_t>();
    result.train_seconds = json.at("train_seconds").get<double>();
    result.epochs = json.at("epochs").get<int>();
    result.simulated = json.value("simulated", false);
    result.class_names = json.value("class_names", result.class_names);
    result.vote_shares = json.value("vote_shares", result.vote_shares);
    const std::size_t classes = result.class_names.size();
    bool square = result.vote_shares.empty() || result.vote_shares.size() == classes;
    for (const auto& row : result.vote_shares) square = square && row.size() == classes;
    if (!square) throw FormatError("vote_shares does not have a row and a column for each class", path);
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

FinishedRuns::FinishedRuns(const std::string& out) {
  std::error_code ignored;
  for (const auto& study : fs::directory_iterator(out, ignored)) {
    for (const StudyScale scale : {StudyScale::kFull, StudyScale::kSmall}) {
      for (const auto& run : fs::directory_iterator(study.path() / to_string(scale), ignored)) {
        const std::string folder = run.path().string();
        if (!is_there(folder + "/result.json")) continue;
        try {
          runs_.push_back({folder, load_recipe(folder + "/recipe.toml")});
        } catch (const Error&) {
          continue;  // whoever owns it is told
        }
      }
    }
  }
  std::sort(runs_.begin(), runs_.end(), [](const Run& a, const Run& b) { return a.folder < b.folder; });
}

std::string FinishedRuns::find(const Recipe& recipe) const {
  for (const Run& run : runs_) {
    if (first_difference(run.recipe, recipe).empty()) return run.folder;
  }
  return "";
}

CellResult read_cell(const Study& study, const StudyCell& cell, const std::string& study_folder,
                     const FinishedRuns* others) {
  CellResult result;
  result.folder = (fs::path(study_folder) / to_string(study.scale) / cell.folder).string();
  if (!is_there(result.folder + "/checkpoint.safetensors")) {
    if (others == nullptr || study.metric == StudyMetric::kSecondsPerEpoch) return result;
    const std::string elsewhere = others->find(cell.recipe);
    if (elsewhere.empty()) return result;
    result.folder = elsewhere;
    result.state = CellState::kDone;
    read_result(elsewhere + "/result.json", result);
    return result;
  }
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

namespace {

/// Mean of the share that goes to the sample's own class, over the classes that have votes.
double own_share(const std::vector<std::vector<double>>& shares) {
  double sum = 0.0;
  int voted = 0;
  for (std::size_t label = 0; label < shares.size(); ++label) {
    sum += shares[label][label];
    voted +=
        std::any_of(shares[label].begin(), shares[label].end(), [](double s) { return s > 0.0; }) ? 1 : 0;
  }
  return voted > 0 ? sum / voted : 0.0;
}

}  // namespace

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
    figure.simulated = figure.simulated || result.simulated;
    if (study.metric == StudyMetric::kSecondsPerEpoch) {
      if (result.epochs > 0) figure.values.push_back(result.train_seconds / result.epochs);
    } else if (study.metric == StudyMetric::kVotes) {
      if (!result.vote_shares.empty()) figure.values.push_back(100.0 * own_share(result.vote_shares));
    } else if (result.accuracy) {
      const double percent = 100.0 * *result.accuracy;
      figure.values.push_back(study.metric == StudyMetric::kError ? 100.0 - percent : percent);
      figure.on_validation = figure.on_validation || result.on_validation;
    }
  }
  return figures;
}

std::vector<std::vector<StudyVotes>> gather_votes(const Study& study,
                                                  const std::vector<CellResult>& results) {
  std::vector<std::vector<StudyVotes>> all(study.rows.size(), std::vector<StudyVotes>(study.columns.size()));
  for (std::size_t i = 0; i < study.cells.size(); ++i) {
    const CellResult& result = results[i];
    if (result.state != CellState::kDone || result.vote_shares.empty()) continue;
    StudyVotes& votes = all[study.cells[i].row][study.cells[i].column];
    if (votes.runs == 0) {
      votes.class_names = result.class_names;
      votes.shares = result.vote_shares;
    } else if (votes.class_names == result.class_names) {
      for (std::size_t label = 0; label < votes.shares.size(); ++label) {
        for (std::size_t k = 0; k < votes.shares.size(); ++k) {
          votes.shares[label][k] += result.vote_shares[label][k];
        }
      }
    } else {
      continue;
    }
    ++votes.runs;
  }
  for (auto& row : all) {
    for (StudyVotes& votes : row) {
      for (auto& shares : votes.shares) {
        for (double& share : shares) share /= votes.runs;
      }
    }
  }
  return all;
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
