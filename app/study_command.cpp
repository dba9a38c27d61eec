#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "app/stop_signals.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/config/table.h"
#include "spikeloom/train/recipe/study_results.h"
#include "spikeloom/train/session/trainer.h"

namespace spikeloom::app {
namespace {

namespace fs = std::filesystem;

struct StudyOptions {
  std::string study, out = "studies-out", scale = "full", data_dir, device = "cpu";
  int threads = 0;
  bool json = false, quiet = false;
};

std::vector<fs::path> study_folders() {
  std::vector<fs::path> folders{"studies"};
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "share" / "spikeloom" / "studies");
  folders.emplace_back(SPIKELOOM_STUDY_DIR);
  return folders;
}

std::vector<std::string> study_names() {
  std::set<std::string> names;
  for (const auto& folder : study_folders()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".toml") names.insert(entry.path().stem().string());
    }
  }
  return {names.begin(), names.end()};
}

std::string find_study(const std::string& name) {
  std::error_code ignored;
  if (fs::is_regular_file(name, ignored)) return name;
  for (const auto& folder : study_folders()) {
    const fs::path file = folder / (name + ".toml");
    if (fs::is_regular_file(file, ignored)) return file.string();
  }
  const std::string nearest = config::nearest(name, study_names());
  throw ConfigError(
      "no study '" + name + "'" +
      (nearest.empty() ? "; 'spikeloom study list' names them all" : "; did you mean " + nearest + "?"));
}

train::Study load(const StudyOptions& options) {
  return train::load_study(find_study(options.study),
                           options.scale == "small" ? train::StudyScale::kSmall : train::StudyScale::kFull);
}

std::string folder_of(const StudyOptions& options, const train::Study& study) {
  return (fs::path(options.out) / study.name).string();
}

std::vector<train::CellResult> read_cells(const train::Study& study, const std::string& folder) {
  std::vector<train::CellResult> results;
  for (const auto& cell : study.cells) results.push_back(train::read_cell(study, cell, folder));
  return results;
}

std::string label_of(const train::Study& study, const train::StudyCell& cell) {
  std::string text;
  const std::string& row = study.rows[cell.row].label;
  if (!row.empty()) text += study.row_name.empty() ? row : study.row_name + " " + row;
  const std::string& column = study.columns[cell.column].label;
  if (!column.empty()) text += (text.empty() ? "" : ", ") + column;
  return text + (text.empty() ? "" : ", ") + fmt::format("seed {}", cell.seed);
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

void refuse_differing(const train::Study& study, const std::vector<train::CellResult>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].state != train::CellState::kDiffers) continue;
    throw ConfigError(
        fmt::format("{}: was trained with another {} than the study says for {}; use another "
                    "--out, or remove that run",
                    results[i].folder, results[i].differing_key, label_of(study, study.cells[i])));
  }
}

std::string with_reference(const train::StudyFigure& figure, const std::optional<double>& reference) {
  std::string text = train::to_string(figure);
  if (text.empty()) text = "-";
  if (figure.on_validation) text += " val.";
  return reference ? text + fmt::format(" [{:g}]", *reference) : text;
}

void print_table(const train::Study& study, const std::vector<train::CellResult>& results) {
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
  print_line(stdout, "\n" + table(rows, std::vector<bool>(study.columns.size() + 1, true)));
  const auto done = std::count_if(results.begin(), results.end(),
                                  [](const auto& one) { return one.state == train::CellState::kDone; });
  const char* const what = study.metric == train::StudyMetric::kAccuracy ? "accuracy, %"
                           : study.metric == train::StudyMetric::kError  ? "error, %"
                                                                         : "training seconds an epoch";
  print_line(stdout,
             fmt::format("\n{}; {} of {} runs done. Mean +- half the range over the seeds (their number).",
                         what, done, results.size()));
  if (!study.source.empty()) print_line(stdout, "[ ]: " + study.source);
}

void print_study_json(const train::Study& study, const std::vector<train::CellResult>& results) {
  const auto figures = train::gather(study, results);
  nlohmann::ordered_json cells = nlohmann::ordered_json::array();
  for (std::size_t r = 0; r < study.rows.size(); ++r) {
    for (std::size_t c = 0; c < study.columns.size(); ++c) {
      nlohmann::ordered_json cell = {{"row", study.rows[r].label},
                                     {"column", study.columns[c].label},
                                     {"values", figures[r][c].values},
                                     {"seeds", figures[r][c].expected},
                                     {"on_validation", figures[r][c].on_validation}};
      if (!figures[r][c].values.empty()) cell["mean"] = figures[r][c].mean();
      if (study.reference[r][c]) cell["reference"] = *study.reference[r][c];
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

int run_show(const StudyOptions& options) {
  const train::Study study = load(options);
  const auto results = read_cells(study, folder_of(options, study));
  if (options.json) {
    print_study_json(study, results);
    return kOk;
  }
  print_table(study, results);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].state == train::CellState::kDone || results[i].state == train::CellState::kMissing)
      continue;
    print_line(stdout, fmt::format("{}: {} ({})", label_of(study, study.cells[i]), word(results[i].state),
                                   results[i].folder));
  }
  return kOk;
}

/// Trains or resumes one cell. False if the user wants to stop.
bool train_cell(const StudyOptions& options, const train::StudyCell& cell, const train::CellResult& result) {
  fs::create_directories(fs::path(result.folder).parent_path());
  train::TrainingRequest request;
  request.recipe = cell.recipe;
  request.run_path = result.folder;
  request.resume = result.state == train::CellState::kStopped;
  request.data_dir = options.data_dir;
  request.device = options.device;
  request.threads = options.threads;
  request.stop = &stop_requested;
  TrainingDisplay display(stdout, options.quiet, &stop_requested);
  return !train::train(request, display).interrupted;
}

int run_study(const StudyOptions& options) {
  const train::Study study = load(options);
  const std::string folder = folder_of(options, study);
  auto results = read_cells(study, folder);
  refuse_differing(study, results);
  stop_on_signals();
  int code = kOk;
  const std::size_t count = study.cells.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (results[i].state == train::CellState::kDone) continue;
    print_line(stdout, fmt::format("== run {} of {}: {}{}", i + 1, count, label_of(study, study.cells[i]),
                                   results[i].state == train::CellState::kStopped ? ", resumed" : ""));
    bool finished = false;
    try {
      finished = train_cell(options, study.cells[i], results[i]);
    } catch (const NumericsError& error) {
      // A network that diverges is a result of the study; the others are trained all the same.
      print_warning(one_line(error.what()));
      code = kNumerics;
      continue;
    }
    if (!finished) {
      print_line(stdout, fmt::format("\nstopped; everything is saved. Resume with the same command: {} study "
                                     "run {} --scale {} --out {}",
                                     program_path(), options.study, options.scale, options.out));
      return kInterrupted;
    }
    results[i] = train::read_cell(study, study.cells[i], folder);
  }
  print_table(study, results);
  return code;
}

int run_list() {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& name : study_names()) {
    const train::Study study = train::load_study(find_study(name), train::StudyScale::kFull);
    rows.push_back({name, std::to_string(study.cells.size()) + " runs", study.title});
  }
  print_line(stdout, table(rows, {false, true, false}));
  return kOk;
}

void add_study_options(CLI::App& command, StudyOptions& options) {
  command.add_option("study", options.study, "Study: a .toml file, or the name of one in studies/")
      ->required()
      ->type_name("STUDY");
  command.add_option("--out", options.out, "Folder for all studies' runs")
      ->type_name("DIR")
      ->check(not_empty())
      ->capture_default_str();
  command.add_option("--scale", options.scale, "full, or small: for a machine without the data or the days")
      ->check(CLI::IsMember({"full", "small"}))
      ->capture_default_str();
}

}  // namespace

void add_study(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<StudyOptions>();
  auto* study = program.add_subcommand("study", kStudyDescription);
  study->require_subcommand(1);

  auto* run = study->add_subcommand("run", "Train what is missing, resume what was stopped");
  add_study_options(*run, *options);
  run->add_option("--data-dir", options->data_dir,
                  "Folder that holds the data sets (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  run->add_option("--device", options->device, "cpu, cuda or cuda:N (docs/gpu.md)")->capture_default_str();
  run->add_option("--threads", options->threads, "Threads (default: all)")->check(CLI::Range(1, 1024));
  run->add_flag("--quiet", options->quiet, "Print each run's name, warnings and errors only");
  run->footer("Ctrl-C saves; the same command resumes. A run that is done is never trained again.");
  run->callback([options, &chosen] { chosen = [options] { return run_study(*options); }; });

  auto* show = study->add_subcommand("show", "Print the table as far as it is done");
  add_study_options(*show, *options);
  show->add_flag("--json", options->json, "Print figures and runs as JSON");
  show->callback([options, &chosen] { chosen = [options] { return run_show(*options); }; });

  auto* list = study->add_subcommand("list", "Name the studies that come with the program");
  list->callback([&chosen] { chosen = [] { return run_list(); }; });
}

}  // namespace spikeloom::app
