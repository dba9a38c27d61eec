#include "app/study_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "app/study_data.h"
#include "app/study_table.h"
#include "app/training/commands.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/config/table.h"

namespace spikeloom::app {
namespace {

namespace fs = std::filesystem;

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

std::vector<train::CellResult> read_cells(const StudyOptions& options, const train::Study& study) {
  const train::FinishedRuns others(options.out);
  std::vector<train::CellResult> results;
  for (const auto& cell : study.cells) {
    results.push_back(train::read_cell(study, cell, study_folder(options, study), &others));
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
    print_line(stdout, fmt::format("No run was begun in {}: {}", study_folder(options, study),
                                   study_command(options, "run")));
  }
  return kOk;
}

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

int start_study(const StudyOptions& options) {
  const train::Study study = load(options);
  const auto results = read_cells(options, study);
  refuse_differing(study, results);
  return options.dry_run ? run_dry(options, study, results) : run_study(options, study, results);
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

std::string study_folder(const StudyOptions& options, const train::Study& study) {
  return (fs::path(options.out) / study.name).string();
}

std::size_t count_of(const std::vector<train::CellResult>& results, train::CellState state) {
  return static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(), [&](const auto& one) { return one.state == state; }));
}

std::string study_command(const StudyOptions& options, const std::string& verb) {
  std::string text = program_path() + " study " + verb + " " + shell_quoted(options.study) + " --scale " +
                     options.scale + " --out " + shell_quoted(options.out);
  if (verb != "run") return text;
  if (!options.data_dir.empty()) text += " --data-dir " + shell_quoted(options.data_dir);
  if (options.device != "cpu") text += " --device " + options.device;
  if (options.threads > 0) text += fmt::format(" --threads {}", options.threads);
  if (options.quiet) text += " --quiet";
  return text;
}

void add_study(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<StudyOptions>();
  auto* study = program.add_subcommand("study", "Train the networks of a table, and print it");
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
  run->callback([options, &chosen] { chosen = [options] { return start_study(*options); }; });

  auto* show = study->add_subcommand("show", "Print the table as far as it is done");
  add_study_options(*show, *options);
  show->add_flag("--json", options->json, "Print figures and runs as JSON");
  show->callback([options, &chosen] { chosen = [options] { return run_show(*options); }; });

  auto* list = study->add_subcommand("list", "Name the studies that come with the program");
  list->callback([&chosen] { chosen = [] { return run_list(); }; });
}

}  // namespace spikeloom::app
