#include "app/info_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "app/output.h"
#include "app/process.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/report/run_lock.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

/// The object in the file, or null.
ordered_json read_object(const std::string& path) {
  try {
    auto json = ordered_json::parse(read_text_file(path), nullptr, false);
    if (json.is_object()) return json;
  } catch (const DataError&) {  // not there yet
  }
  return nullptr;
}

template <class Value>
Value value_of(const ordered_json& object, const char* key, Value otherwise) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number() ? at->get<Value>() : otherwise;
}

/// The epochs of metrics.jsonl, read a line at a time: a long run's has millions.
void read_metrics(const std::string& path, ordered_json& run) {
  constexpr std::size_t kLongestLine = std::size_t{1} << 20;
  ordered_json history = ordered_json::array();
  double train_seconds = 0.0;
  std::int64_t iterations = 0;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.size() > kLongestLine) continue;
    const auto json = ordered_json::parse(line, nullptr, false);
    if (!json.is_object()) continue;
    train_seconds = std::max(train_seconds, value_of(json, "train_seconds", 0.0));
    iterations = std::max(iterations, value_of<std::int64_t>(json, "iteration", 0));
    if (json.value("kind", ordered_json()) != "epoch") continue;
    ordered_json entry = ordered_json::object();
    for (const char* key :
         {"epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"}) {
      if (json.contains(key) && json[key].is_number()) entry[key] = json[key];
    }
    history.push_back(entry);
  }
  run["epochs_done"] = history.size();
  run["iterations"] = iterations;
  run["train_seconds"] = train_seconds;
  run["history"] = history;
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
  const bool validated = history.back().contains("validation_accuracy");
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
  ordered_json run = {{"state", "interrupted"}, {"epochs", recipe.training.epochs}};
  read_metrics(folder + "/metrics.jsonl", run);
  const auto result = read_object(folder + "/result.json");
  // A finished run may have been resumed for more epochs: then its result is that of before.
  const bool is_result = result.is_object() && value_of<std::int64_t>(result, "iterations", -1) >=
                                                   value_of<std::int64_t>(run, "iterations", 0);
  if (is_result && !result.value("interrupted", false)) {
    run["state"] = "finished";
    if (result.value("stopped_early", false)) run["stopped_early"] = true;
    for (const char* key : {"selection", "validation_accuracy", "test_accuracy", "test_samples"}) {
      if (result.contains(key)) run[key] = result[key];
    }
  }
  if (report::is_locked(folder)) run["state"] = "running";
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
  } else if (state == "interrupted") {
    print_line(stdout, fmt::format("resume it with: {} train --resume {}", shell_quoted(program_path()),
                                   shell_quoted(folder)));
  }
  print_line(stdout, "");
}

}  // namespace spikeloom::app
