#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "app/progress_line.h"
#include "app/stop_signals.h"
#include "app/study_table.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/config/table.h"
#include "spikeloom/data/search.h"
#include "spikeloom/train/recipe/study_results.h"
#include "spikeloom/train/session/trainer.h"

namespace spikeloom::app {
namespace {

namespace fs = std::filesystem;

struct StudyOptions {
  std::string study, out = "studies-out", scale = "full", data_dir, device = "cpu";
  int threads = 0;
  bool json = false, quiet = false, dry_run = false;
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
      (nearest.empty() ? "; 'spikeloom study list' lists them all" : "; did you mean " + nearest + "?"));
}

train::Study load(const StudyOptions& options) {
  return train::load_study(find_study(options.study),
                           options.scale == "small" ? train::StudyScale::kSmall : train::StudyScale::kFull);
}

std::string folder_of(const StudyOptions& options, const train::Study& study) {
  return (fs::path(options.out) / study.name).string();
}

std::vector<train::CellResult> read_cells(const StudyOptions& options, const train::Study& study) {
  const train::FinishedRuns others(options.out);
  std::vector<train::CellResult> results;
  for (const auto& cell : study.cells) {
    results.push_back(train::read_cell(study, cell, folder_of(options, study), &others));
  }
  return results;
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

/// The same command, to be typed again.
std::string command_of(const StudyOptions& options, const std::string& verb) {
  std::string text = program_path() + " study " + verb + " " + shell_quoted(options.study) + " --scale " +
                     options.scale + " --out " + shell_quoted(options.out);
  if (verb != "run") return text;
  if (!options.data_dir.empty()) text += " --data-dir " + shell_quoted(options.data_dir);
  if (options.device != "cpu") text += " --device " + options.device;
  if (options.threads > 0) text += fmt::format(" --threads {}", options.threads);
  if (options.quiet) text += " --quiet";
  return text;
}

std::size_t count_of(const std::vector<train::CellResult>& results, train::CellState state) {
  return static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(), [&](const auto& one) { return one.state == state; }));
}

int run_show(const StudyOptions& options) {
  const train::Study study = load(options);
  const auto results = read_cells(options, study);
  if (options.json) {
    print_study_json(study, results);
    return kOk;
  }
  print_study(study, results);
  bool begun = false;
  for (std::size_t i = 0; i < results.size(); ++i) {
    begun = begun || results[i].state != train::CellState::kMissing;
    if (results[i].state == train::CellState::kDone || results[i].state == train::CellState::kMissing)
      continue;
    print_line(stdout, fmt::format("{}: {} ({})", label_of(study, study.cells[i]), word(results[i].state),
                                   results[i].folder));
  }
  if (!begun) {
    print_line(stdout, fmt::format("No run was begun in {}: {}", folder_of(options, study),
                                   command_of(options, "run")));
  }
  return kOk;
}

/// Looks for the data sets of runs, for each once.
class DataSearch {
 public:
  explicit DataSearch(std::string data_dir) : data_dir_(std::move(data_dir)) {}

  /// Where a run's data set was looked for and how to get it; "" = it was found.
  const std::string& missing(const train::Recipe& recipe) {
    const std::string key = recipe.data.dataset + " " + recipe.data.folder;
    const auto [place, is_new] = found_.emplace(key, "");
    if (is_new) {
      const data::SearchResult search = data::search_root(data::source_of(recipe.data), data_dir_);
      place->second = search.root.empty() ? search.message : "";
      roots_[key] = search.root;
    }
    return place->second;
  }
  /// Where it is; after missing().
  const std::string& root(const train::Recipe& recipe) {
    return roots_[recipe.data.dataset + " " + recipe.data.folder];
  }

 private:
  std::string data_dir_;
  std::map<std::string, std::string> found_, roots_;
};

/// What a run would do, without training: its state and its data.
int run_dry(const StudyOptions& options, const train::Study& study,
            const std::vector<train::CellResult>& results) {
  DataSearch search(options.data_dir);
  std::vector<std::vector<std::string>> rows;
  std::set<std::string> complaints;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const train::Recipe& recipe = study.cells[i].recipe;
    const std::string& missing = search.missing(recipe);
    if (!missing.empty()) complaints.insert(missing);
    rows.push_back({label_of(study, study.cells[i]), word(results[i].state), recipe.network.structure,
                    fmt::format("T {}", recipe.network.num_steps), counted(recipe.training.epochs, "epoch"),
                    recipe.data.dataset, missing.empty() ? search.root(recipe) : "NOT FOUND"});
  }
  print_line(stdout, table(rows, {false, false, false, true, true, false, false}));
  for (const std::string& complaint : complaints) print_warning(complaint);
  return complaints.empty() ? kOk : kData;
}

/// Trains or resumes one run. False if the user wants to stop.
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

/// Training time that is left, from the runs that are done: that of another seed of the same place, or else
/// their mean. Below 0 if no run is done.
double seconds_left(const train::Study& study, const std::vector<train::CellResult>& results) {
  double known = 0.0;
  std::map<std::pair<std::size_t, std::size_t>, double> of_place;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].state != train::CellState::kDone) continue;
    known += results[i].train_seconds;
    of_place[{study.cells[i].row, study.cells[i].column}] = results[i].train_seconds;
  }
  const std::size_t done = count_of(results, train::CellState::kDone);
  if (done == 0) return -1.0;
  double left = 0.0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].state == train::CellState::kDone) continue;
    const auto place = of_place.find({study.cells[i].row, study.cells[i].column});
    left += place != of_place.end() ? place->second : known / static_cast<double>(done);
  }
  return left;
}

/// Where the study is, after a run of it.
void print_progress(const train::Study& study, const std::vector<train::CellResult>& results,
                    std::size_t run) {
  const train::CellResult& result = results[run];
  std::string text = fmt::format("== trained in {}", duration(result.train_seconds));
  if (result.accuracy) {
    text += fmt::format(", {} accuracy {:.2f} %", result.on_validation ? "validation" : "test",
                        100.0 * *result.accuracy);
  }
  const std::size_t done = count_of(results, train::CellState::kDone);
  text += fmt::format("; {} of {} done", done, counted(static_cast<std::int64_t>(results.size()), "run"));
  if (done < results.size())
    text += fmt::format(", about {} left", rough_duration(seconds_left(study, results)));
  print_line(stdout, text);
}

int run_study(const StudyOptions& options) {
  const train::Study study = load(options);
  const std::string folder = folder_of(options, study);
  auto results = read_cells(options, study);
  refuse_differing(study, results);
  if (options.dry_run) return run_dry(options, study, results);
  stop_on_signals();
  int code = kOk;
  const std::size_t count = study.cells.size();
  print_line(stdout, fmt::format("{}, scale {}: {} of {} done, {} stopped; in {}", study.name, options.scale,
                                 count_of(results, train::CellState::kDone),
                                 counted(static_cast<std::int64_t>(count), "run"),
                                 count_of(results, train::CellState::kStopped), folder));
  DataSearch search(options.data_dir);
  std::set<std::string> complaints;
  for (std::size_t i = 0; i < count; ++i) {
    if (results[i].state == train::CellState::kDone) continue;
    // The runs of other data sets are trained all the same.
    if (const std::string& missing = search.missing(study.cells[i].recipe); !missing.empty()) {
      if (complaints.insert(missing).second) print_warning("runs are left out: " + missing);
      continue;
    }
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
      print_line(stdout, "\nstopped; everything is saved. Resume with the same command: " +
                             command_of(options, "run"));
      return kInterrupted;
    }
    results[i] = train::read_cell(study, study.cells[i], folder);
    print_progress(study, results, i);
  }
  print_line(stdout, "");
  print_study(study, results);
  if (code == kOk && !complaints.empty()) code = kData;
  return code;
}

int run_list() {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& name : study_names()) {
    const train::Study study = train::load_study(find_study(name), train::StudyScale::kFull);
    rows.push_back({name, counted(study.cells.size(), "run"), study.title});
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
  run->add_flag("--dry-run", options->dry_run, "Train nothing: list the runs, their networks and their data");
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
