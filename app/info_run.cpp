#include "app/info_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/output.h"
#include "app/process.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/report/run_folder.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

template <class Value>
Value value_of(const ordered_json& object, const char* key, Value otherwise) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number() ? at->get<Value>() : otherwise;
}

/// One object an epoch, of what is known.
ordered_json history_of(const report::RunRecord& run) {
  ordered_json history = ordered_json::array();
  for (const report::MetricsPoint& point : run.epochs) {
    ordered_json entry = {{"epoch", point.epoch}};
    const auto add = [&](const char* key, double value) {
      if (std::isfinite(value)) entry[key] = value;
    };
    add("train_loss", point.loss);
    add("train_accuracy", point.accuracy);
    add("validation_loss", point.validation_loss);
    add("validation_accuracy", point.validation_accuracy);
    history.push_back(std::move(entry));
  }
  return history;
}

std::string percent(const ordered_json& entry, const char* key) {
  return entry.contains(key) ? fmt::format("{:.2f} %", 100.0 * value_of(entry, key, 0.0)) : "";
}

std::string number(const ordered_json& entry, const char* key) {
  return entry.contains(key) ? fmt::format("{:.4f}", value_of(entry, key, 0.0)) : "";
}

void print_history(const ordered_json& history) {
  constexpr std::size_t kShown = 10;
  if (history.empty()) return;
  const bool validated = std::any_of(history.begin(), history.end(),
                                     [](const auto& entry) { return entry.contains("validation_accuracy"); });
  std::vector<std::vector<std::string>> rows{{"epoch", "train loss", "train accuracy"}};
  if (validated) rows[0].emplace_back("validation accuracy");
  const std::size_t first = history.size() > kShown ? history.size() - kShown : 0;
  for (std::size_t i = first; i < history.size(); ++i) {
    const auto& entry = history[i];
    rows.push_back({std::to_string(value_of<std::int64_t>(entry, "epoch", 0)), number(entry, "train_loss"),
                    percent(entry, "train_accuracy")});
    if (validated) rows.back().push_back(percent(entry, "validation_accuracy"));
  }
  print_line(stdout, table(rows, {true, true, true, true}));
  if (first > 0) print_line(stdout, fmt::format("(the last {} of {} epochs)", kShown, history.size()));
}

}  // namespace

ordered_json describe_run(const std::string& folder, const train::Recipe& recipe) {
  report::ReadLimits limits;
  limits.points = std::size_t{1} << 16;  // all epochs of any run so far
  report::RunRecord record;
  try {
    record = report::read_run(folder, limits);
  } catch (const DataError&) {  // nothing but a model
  }
  ordered_json run = {{"state", report::to_string(record.state)}, {"epochs", recipe.training.epochs}};
  if (record.stopped_early) run["stopped_early"] = true;
  if (record.failure) run["failure"] = report::failure_json(record);
  if (record.result.is_object()) {
    for (const char* key : {"selection", "validation_accuracy", "test_accuracy", "test_samples"}) {
      const auto at = record.result.find(key);
      if (at == record.result.end() || at->is_string() != (std::string(key) == "selection")) continue;
      run[key] = *at;
    }
  }
  run["epochs_done"] = record.epochs_done;
  run["iterations"] = record.iterations;
  run["train_seconds"] = record.train_seconds;
  run["history"] = history_of(record);
  run["problems"] = record.problems;
  return run;
}

void print_run(const std::string& folder, const ordered_json& run) {
  const std::string state = run.at("state");
  const bool stopped_early = run.value("stopped_early", false);
  print_line(stdout, fmt::format("run {}: {}, {} of {}, {}, {} of training", folder,
                                 state + (stopped_early ? " (stopped early)" : ""),
                                 value_of<std::int64_t>(run, "epochs_done", 0),
                                 counted(value_of<std::int64_t>(run, "epochs", 0), "epoch"),
                                 counted(value_of<std::int64_t>(run, "iterations", 0), "iteration"),
                                 duration(value_of(run, "train_seconds", 0.0))));
  print_history(run.at("history"));
  if (state == "finished") {
    if (run.contains("validation_accuracy"))
      print_line(stdout, "validation accuracy " + percent(run, "validation_accuracy"));
    if (run.contains("test_accuracy")) {
      print_line(stdout, fmt::format("test accuracy {} on {} ({})", percent(run, "test_accuracy"),
                                     counted(value_of<std::int64_t>(run, "test_samples", 0), "sample"),
                                     run.value("selection", std::string("last epoch"))));
    }
  } else if (state == "interrupted" || state == "failed") {
    if (run.contains("failure")) {
      const ordered_json& failure = run.at("failure");
      const report::Failure why{value_of<std::int64_t>(failure, "epoch", 0),
                                value_of<std::int64_t>(failure, "iteration", 0),
                                value_of(failure, "exit_code", 0), failure.value("reason", std::string())};
      print_line(stdout, one_line(why.text()));
    }
    print_line(stdout, fmt::format("resume it with: {} train --resume {}", shell_quoted(program_path()),
                                   shell_quoted(folder)));
  }
  print_line(stdout, "");
  for (const std::string problem : run.at("problems")) print_warning(folder + ": " + problem);
}

}  // namespace spikeloom::app
