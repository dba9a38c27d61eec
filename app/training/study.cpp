// `spikeloom study run`, of the program that links LibTorch.
#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "app/progress_line.h"
#include "app/stop_signals.h"
#include "app/study_command.h"
#include "app/study_data.h"
#include "app/study_table.h"
#include "app/training/commands.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/train/session/trainer.h"

namespace spikeloom::app {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

int run_study(const StudyOptions& options, const train::Study& study,
              const std::vector<train::CellResult>& before) {
  std::vector<train::CellResult> results = before;
  const std::string folder = study_folder(options, study);
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
                             study_command(options, "run"));
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

}  // namespace spikeloom::app
