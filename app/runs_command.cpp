#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/output.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/report/page/firing_warnings.h"
#include "spikeloom/report/run_folder.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

struct RunsOptions {
  std::string folder = "runs", sort = "name";
  bool json = false, reverse = false;
};

/// Validation accuracy of the best epoch, else of training in the last one; NaN without epochs.
double best_accuracy(const report::RunRecord& run) {
  if (run.best_validation_accuracy) return *run.best_validation_accuracy;
  return run.epochs.empty() ? report::kMissing : run.epochs.back().accuracy;
}

ordered_json number(double value) { return std::isfinite(value) ? ordered_json(value) : ordered_json(); }

ordered_json to_json(const report::RunRecord& run) {
  return {{"run", run.path},
          {"state", report::to_string(run.state)},
          {"epochs_done", run.epochs_done},
          {"epochs", run.epochs_planned},
          {"best_validation_accuracy",
           run.best_validation_accuracy ? ordered_json(*run.best_validation_accuracy) : ordered_json()},
          {"best_epoch", run.best_epoch > 0 ? ordered_json(run.best_epoch) : ordered_json()},
          {"test_accuracy", run.test_accuracy ? ordered_json(*run.test_accuracy) : ordered_json()},
          {"train_accuracy", run.epochs.empty() ? ordered_json() : number(run.epochs.back().accuracy)},
          {"train_seconds", run.train_seconds},
          {"seconds_left", run.seconds_left() ? ordered_json(*run.seconds_left()) : ordered_json()},
          {"dataset", run.recipe_string("data.dataset")},
          {"network", run.recipe_string("network.structure")},
          {"failure", report::failure_json(run)},
          {"warnings", report::firing_warnings(run, {})},
          {"problems", run.problems}};
}

/// Highest accuracy and longest time first; what has none comes last.
void sort_runs(std::vector<report::RunRecord>& runs, const std::string& by, bool reverse) {
  const auto before = [&](const report::RunRecord& a, const report::RunRecord& b) {
    if (by == "state") return a.state < b.state;
    if (by == "epochs") return a.epochs_done > b.epochs_done;
    if (by == "time") return a.train_seconds > b.train_seconds;
    const auto value = [&](const report::RunRecord& run) {
      const double accuracy =
          by == "test" ? run.test_accuracy.value_or(report::kMissing) : best_accuracy(run);
      return std::isfinite(accuracy) ? accuracy : -1.0;
    };
    return value(a) > value(b);
  };
  if (by != "name") std::stable_sort(runs.begin(), runs.end(), before);
  if (reverse) std::reverse(runs.begin(), runs.end());
}

std::string percent(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f} %", 100.0 * *value) : "";
}

int run_runs(const RunsOptions& options) {
  std::vector<report::RunRecord> runs;
  report::ReadLimits few;
  few.points = 16;  // only sums and bests are shown
  constexpr std::size_t kMost = 10000;
  const auto found = report::find_runs(options.folder, kMost);
  for (const std::string& path : found) {
    try {
      runs.push_back(report::read_run(path, few));
    } catch (const DataError& error) {  // it went while the others were read
      print_warning(error.what());
    }
  }
  if (found.size() == kMost)
    print_warning(
        fmt::format("{}: only the first {} runs are listed", options.folder, with_separators(kMost)));
  sort_runs(runs, options.sort, options.reverse);
  if (options.json) {
    ordered_json list = ordered_json::array();
    for (const report::RunRecord& run : runs) list.push_back(to_json(run));
    print_json(list);
    return kOk;
  }
  if (runs.empty()) {
    print_line(stdout, fmt::format("{}: no runs (spikeloom train makes them)", one_line(options.folder)));
    return kOk;
  }
  std::vector<std::vector<std::string>> rows{
      {"run", "state", "epochs", "train", "best validation", "test", "time", "left"}};
  for (const report::RunRecord& run : runs) {
    const auto left = run.state == report::RunState::kRunning ? run.seconds_left() : std::nullopt;
    const double train = run.epochs.empty() ? report::kMissing : run.epochs.back().accuracy;
    rows.push_back({one_line(run.path), report::to_string(run.state), run.epochs_text(),
                    std::isfinite(train) ? fmt::format("{:.2f} %", 100.0 * train) : "",
                    percent(run.best_validation_accuracy), percent(run.test_accuracy),
                    duration(run.train_seconds), left ? duration(*left) : ""});
  }
  print_line(stdout, table(rows, {false, false, true, true, true, true, true, true}));
  for (const report::RunRecord& run : runs) {
    if (run.failure) print_line(stdout, one_line(run.path + " " + run.failure->text()));
    for (const std::string& warning : report::firing_warnings(run, {}))
      print_line(stdout, one_line(run.path + ": " + warning));
  }
  for (const report::RunRecord& run : runs) {
    for (const std::string& problem : run.problems) print_warning(run.path + ": " + problem);
  }
  return kOk;
}

}  // namespace

void add_runs(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<RunsOptions>();
  auto* command = program.add_subcommand("runs", "List the runs in a folder: state, epochs, accuracy, time");
  command->add_option("folder", options->folder, "Folder with run folders, up to three levels below it")
      ->capture_default_str()
      ->type_name("FOLDER")
      ->check(not_empty());
  command
      ->add_option("--sort", options->sort,
                   "name, state, epochs, accuracy (best validation, else training), test or time")
      ->capture_default_str()
      ->check(CLI::IsMember({"name", "state", "epochs", "accuracy", "test", "time"}));
  command->add_flag("--reverse", options->reverse, "The other way round");
  command->add_flag("--json", options->json, "Print JSON; accuracies are fractions of 1");
  command->callback([options, &chosen] { chosen = [options] { return run_runs(*options); }; });
}

}  // namespace spikeloom::app
