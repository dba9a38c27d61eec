#include "app/study_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/output.h"

namespace spikeloom::app {

namespace {

/// "T 4, CIFARNet": a place of the table; "" where there is one only.
std::string place_of(const train::Study& study, std::size_t row_number, std::size_t column_number) {
  std::string text;
  const std::string& row = study.rows[row_number].label;
  if (!row.empty()) text += study.row_name.empty() ? row : study.row_name + " " + row;
  const std::string& column = study.columns[column_number].label;
  if (!column.empty()) text += (text.empty() ? "" : ", ") + column;
  return text;
}

}  // namespace

std::string label_of(const train::Study& study, const train::StudyCell& cell) {
  const std::string place = place_of(study, cell.row, cell.column);
  return place + (place.empty() ? "" : ", ") + fmt::format("seed {}", cell.seed);
}

const char* word(train::CellState state) {
  switch (state) {
    case train::CellState::kMissing:
      return "not begun";
    case train::CellState::kStopped:
      return "stopped";
    case train::CellState::kDone:
      return "done";
    case train::CellState::kDiffers:
      break;
  }
  return "other settings";
}

namespace {

std::string with_reference(const train::StudyFigure& figure, const std::optional<double>& reference) {
  std::string text = train::to_string(figure);
  if (text.empty()) text = "-";
  if (figure.on_validation) text += " val.";
  if (figure.simulated) text += " sim.";
  return reference ? text + fmt::format(" [{:g}]", *reference) : text;
}

const char* words(train::StudyMetric metric) {
  switch (metric) {
    case train::StudyMetric::kAccuracy:
      return "accuracy, %";
    case train::StudyMetric::kError:
      return "error, %";
    case train::StudyMetric::kVotes:
      return "share of a test sample's votes that its own class gets, mean over the classes, %";
    case train::StudyMetric::kSecondsPerEpoch:
      break;
  }
  return "training seconds an epoch";
}

/// What the marks of a table mean that occur in it.
std::string legend(const train::Study& study, const std::vector<std::vector<train::StudyFigure>>& figures) {
  bool spread = false, validation = false, simulated = false;
  for (const auto& row : figures) {
    for (const train::StudyFigure& figure : row) {
      spread = spread || figure.values.size() > 1;
      validation = validation || figure.on_validation;
      simulated = simulated || figure.simulated;
    }
  }
  std::string text;
  if (spread) text += "\nMean +- half the range over the seeds (their number).";
  if (validation) text += "\nval.: on the validation part, since there is no test part.";
  if (simulated) text += "\nsim.: simulated recordings.";
  if (!study.source.empty()) text += "\n[ ]: " + study.source;
  return text;
}

/// The matrix of votes at one place of the table, in percent.
void print_votes(const train::StudyVotes& votes, const std::string& label) {
  constexpr std::size_t kMostClasses = 40;
  const std::size_t classes = votes.class_names.size();
  print_line(stdout,
             fmt::format("\n{}{}mean share of the votes, %; row: true class, column: class voted for{}",
                         label, label.empty() ? "" : ": ",
                         votes.runs > 1 ? fmt::format("; mean of {} runs", votes.runs) : ""));
  if (classes > kMostClasses) {
    print_line(stdout,
               fmt::format("{} classes: not printed; 'spikeloom study show --json' has them", classes));
    return;
  }
  std::vector<std::vector<std::string>> rows{{""}};
  rows[0].insert(rows[0].end(), votes.class_names.begin(), votes.class_names.end());
  for (std::size_t i = 0; i < classes; ++i) {
    rows.push_back({votes.class_names[i]});
    const bool voted =
        std::any_of(votes.shares[i].begin(), votes.shares[i].end(), [](double s) { return s > 0.0; });
    for (const double share : votes.shares[i]) {
      rows.back().push_back(voted ? fmt::format("{:.1f}", 100.0 * share) : "-");
    }
  }
  std::vector<bool> right(classes + 1, true);
  right[0] = false;
  print_line(stdout, table(rows, right));
}

void print_all_votes(const train::Study& study, const std::vector<train::CellResult>& results) {
  const auto votes = train::gather_votes(study, results);
  for (std::size_t r = 0; r < study.rows.size(); ++r) {
    for (std::size_t c = 0; c < study.columns.size(); ++c) {
      if (votes[r][c].runs > 0) print_votes(votes[r][c], place_of(study, r, c));
    }
  }
  for (const train::CellResult& result : results) {
    if (result.state != train::CellState::kDone || !result.vote_shares.empty()) continue;
    print_line(stdout, fmt::format("\n{}: its result has no vote shares. They need a test part and a voting "
                                   "layer that spikes; a run of an earlier version has none: remove it to "
                                   "train it again.",
                                   result.folder));
  }
}

}  // namespace

void print_study(const train::Study& study, const std::vector<train::CellResult>& results) {
  const auto figures = train::gather(study, results);
  print_line(stdout, study.title);
  if (study.scale == train::StudyScale::kSmall) {
    print_line(stdout, "small scale: " +
                           (study.scale_note.empty() ? "shorter than the reference" : study.scale_note));
  }
  std::vector<std::vector<std::string>> rows{{study.row_name}};
  for (const auto& column : study.columns) {
    rows[0].push_back(column.label.empty() ? std::string(train::unit_of(study.metric)) : column.label);
  }
  for (std::size_t r = 0; r < study.rows.size(); ++r) {
    rows.push_back({study.rows[r].label});
    for (std::size_t c = 0; c < study.columns.size(); ++c) {
      rows.back().push_back(with_reference(figures[r][c], study.reference[r][c]));
    }
  }
  std::vector<bool> right(study.columns.size() + 1, true);
  right[0] = false;
  print_line(stdout, "\n" + table(rows, right));
  const auto done = std::count_if(results.begin(), results.end(),
                                  [](const auto& one) { return one.state == train::CellState::kDone; });
  print_line(stdout,
             fmt::format("\n{}; {} of {} done.{}", words(study.metric), done,
                         counted(static_cast<std::int64_t>(results.size()), "run"), legend(study, figures)));
  if (study.metric == train::StudyMetric::kVotes) print_all_votes(study, results);
}

void print_study_json(const train::Study& study, const std::vector<train::CellResult>& results) {
  const auto figures = train::gather(study, results);
  const auto votes = train::gather_votes(study, results);
  nlohmann::ordered_json cells = nlohmann::ordered_json::array();
  for (std::size_t r = 0; r < study.rows.size(); ++r) {
    for (std::size_t c = 0; c < study.columns.size(); ++c) {
      nlohmann::ordered_json cell = {{"row", study.rows[r].label},
                                     {"column", study.columns[c].label},
                                     {"values", figures[r][c].values},
                                     {"seeds", figures[r][c].expected},
                                     {"on_validation", figures[r][c].on_validation},
                                     {"simulated", figures[r][c].simulated}};
      if (!figures[r][c].values.empty()) cell["mean"] = figures[r][c].mean();
      if (study.reference[r][c]) cell["reference"] = *study.reference[r][c];
      if (study.metric == train::StudyMetric::kVotes && votes[r][c].runs > 0) {
        cell["class_names"] = votes[r][c].class_names;
        cell["vote_shares"] = votes[r][c].shares;
      }
      cells.push_back(cell);
    }
  }
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    nlohmann::ordered_json run = {{"folder", results[i].folder},
                                  {"row", study.rows[study.cells[i].row].label},
                                  {"column", study.columns[study.cells[i].column].label},
                                  {"seed", study.cells[i].seed},
                                  {"state", word(results[i].state)}};
    if (results[i].accuracy) run["accuracy"] = *results[i].accuracy;
    if (results[i].state == train::CellState::kDone) run["train_seconds"] = results[i].train_seconds;
    runs.push_back(run);
  }
  print_json({{"study", study.name},
              {"title", study.title},
              {"scale", train::to_string(study.scale)},
              {"unit", train::unit_of(study.metric)},
              {"reference", study.source},
              {"figures", cells},
              {"runs", runs}});
}

}  // namespace spikeloom::app
