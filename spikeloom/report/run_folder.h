#pragma once
// A training's run folder (docs/run-folder.md) as data. Whatever is missing or damaged is left out and named:
// a run may be new, running, stopped, crashed or from another version.
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace spikeloom::report {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// A line of metrics.jsonl: of kind "train" (means since the line before) or "epoch" (of the whole epoch).
/// kMissing where the line has no such number. Accuracies and rates are fractions of 1.
struct MetricsPoint {
  std::int64_t epoch = 0, iteration = 0;  ///< from 1
  double loss = kMissing, accuracy = kMissing;
  double validation_loss = kMissing, validation_accuracy = kMissing;  ///< of epochs
  double average_validation_loss = kMissing,
         average_validation_accuracy = kMissing;  ///< of epochs: the average of weights
  double learning_rate = kMissing, samples_per_s = kMissing, train_seconds = kMissing;
  double loader_wait_share = kMissing;
  int num_steps = 0;                 ///< T of an epoch; 0: the line does not say
  std::vector<double> firing_rates;  ///< of each layer of RunRecord::layers, which may be longer
};

/// A training that went on with other settings or data.
struct ResumePoint {
  std::int64_t epoch = 0, iteration = 0;
  std::string what;  ///< "training.epochs: 2 -> 4; ..."
};

/// Why a training ended before its end, as it said itself: it diverged, could not read a sample, ...
struct Failure {
  std::int64_t epoch = 0, iteration = 0;
  int exit_code = 0;  ///< the program's; 4: numbers that are not finite
  std::string reason;

  /// "failed in epoch 3, iteration 120: training diverged ...".
  std::string text() const;
};

enum class RunState { kRunning, kFinished, kInterrupted, kFailed };

struct RunRecord {
  std::string path;  ///< as it was given
  std::string name;  ///< last part of the path
  RunState state = RunState::kInterrupted;
  bool stopped_early = false;

  std::vector<std::string> layers;   ///< with firing rates, in the order of the network
  std::vector<MetricsPoint> steps;   ///< kind "train"
  std::vector<MetricsPoint> epochs;  ///< kind "epoch"
  std::vector<ResumePoint> resumed;  ///< with other settings or data
  std::string init_from;             ///< the file whose weights it started with (--init-from); "" without
  std::string init_text;             ///< what it took of them: "6 parameters; start values of fc2.weight"
  /// Lines of these kinds, also those that were thinned out; not those that came once more.
  std::int64_t step_lines = 0, epoch_lines = 0;
  std::int64_t epochs_done = 0;     ///< the last one's number
  std::int64_t epochs_planned = 0;  ///< training.epochs of the recipe; 0: not known
  std::int64_t iterations = 0;
  double train_seconds = 0.0;
  /// The best validation accuracy of the epochs that training.keep_best chooses from: of the average of
  /// weights where there is one, and only of epochs that ran with all of the network's time steps.
  std::optional<double> best_validation_accuracy;
  std::int64_t best_epoch = 0, best_iteration = 0;
  std::optional<double> test_accuracy;  ///< of a finished run
  std::optional<Failure> failure;       ///< of a run that failed and has not gone on

  /// The resolved recipe: dotted keys and their values as TOML, in the order of the file.
  std::vector<std::pair<std::string, std::string>> recipe;
  std::string recipe_text;             ///< recipe.toml
  nlohmann::ordered_json environment;  ///< environment.json's list of sessions; empty where there is none
  /// result.json of a finished run, without accuracies that cannot be; else null.
  nlohmann::ordered_json result;
  std::vector<std::string> problems;  ///< what could not be read, a line each

  /// Notes what could not be read, without the run's path.
  void add_problem(const std::string& text);
  /// A key's value as TOML, or "".
  std::string recipe_value(const std::string& key) const;
  /// The same of a string, without its quotation marks.
  std::string recipe_string(const std::string& key) const;
  /// "3/4", or "3" where it is not known how many are planned.
  std::string epochs_text() const;
  /// Which network a finished run kept ("last epoch", "best validation epoch (3)", ...); "" of others.
  std::string selection() const;
  /// network.num_steps of the recipe; 0: not known.
  int num_steps() const;
  /// Seconds of training that are left, from the time of the epochs and iterations so far; nothing where that
  /// is not known.
  std::optional<double> seconds_left() const;
};

/// "running", "finished", "interrupted", "failed".
const char* to_string(RunState state);

/// {"epoch", "iteration", "exit_code", "reason"}, or null of a run that has not failed.
nlohmann::ordered_json failure_json(const RunRecord& run);

struct ReadLimits {
  std::size_t points =
      2048;  ///< at least so many lines of each kind remain of a longer series, at most twice
  std::int64_t parsed_bytes = std::int64_t{1} << 26;  ///< of metrics.jsonl: see read_metrics
};

/// Whether the folder looks like a run: it holds a recipe.toml, and metrics.jsonl or a checkpoint.
bool is_run_folder(const std::string& path);

/// The run folders in `folder`, sorted by their paths: itself, or those up to three levels below it; links
/// to folders are not followed. Folders with a metrics.jsonl or result.json alone are among them. At most
/// `limit`. Throws DataError if it is no folder or cannot be read.
std::vector<std::string> find_runs(const std::string& folder, std::size_t limit = 10000);

/// Reads a run. Memory is bounded by `limits`, whatever the length of metrics.jsonl, and by 1 MiB for each
/// other file; time by what reading that length takes (read_metrics). Throws DataError if the folder is not
/// there or holds nothing of a run; nothing for what is missing or damaged in it.
RunRecord read_run(const std::string& folder, const ReadLimits& limits = {});

}  // namespace spikeloom::report
