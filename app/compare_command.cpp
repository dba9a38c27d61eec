#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "app/commands.h"
#include "app/output.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/report/run_folder.h"
#include "spikeloom/report/run_labels.h"
#include "spikeloom/train/run/model_info.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

struct CompareOptions {
  std::vector<std::string> runs;
  bool json = false;
};

struct Compared {
  report::RunRecord run;
  std::string label;                                 ///< tells it from the others
  std::int64_t parameters = -1, macs_per_step = -1;  ///< -1: no model or checkpoint says it
};

Compared read(const std::string& path) {
  Compared compared;
  compared.run = report::read_run(path);
  for (const char* name : {"model.safetensors", "checkpoint.safetensors"}) {
    const std::string file = compared.run.path + "/" + name;
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) continue;
    try {
      const model::NetworkPlan plan = train::read_model_info(file).plan();
      compared.parameters = plan.parameters();
      compared.macs_per_step = plan.macs_per_step();
      break;
    } catch (const Error& error) {
      compared.run.add_problem(error.what());
    }
  }
  return compared;
}

/// Keys that are not the same in all, with the value of each run ("-": it has no such key).
std::vector<std::vector<std::string>> differences(const std::vector<Compared>& runs) {
  std::vector<std::vector<std::string>> rows;
  std::set<std::string> seen;
  for (const Compared& any : runs) {
    for (const auto& entry : any.run.recipe) {
      const std::string& key = entry.first;
      if (!seen.insert(key).second) continue;
      std::vector<std::string> row{key};
      bool differs = false;
      for (const Compared& each : runs) {
        const std::string value = each.run.recipe_value(key);
        row.push_back(value.empty() ? "-" : one_line(value));
        differs = differs || row.back() != row[1];
      }
      if (differs) rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string percent(double value) {
  return std::isfinite(value) ? fmt::format("{:.2f} %", 100.0 * value) : "-";
}

double last_or_missing(const report::RunRecord& run, double report::MetricsPoint::*member) {
  return run.epochs.empty() ? report::kMissing : run.epochs.back().*member;
}

/// Mean of the layers' firing rates in the last epoch.
double mean_rate(const report::RunRecord& run) {
  if (run.epochs.empty() || run.epochs.back().firing_rates.empty()) return report::kMissing;
  double sum = 0.0;
  std::int64_t count = 0;
  for (const double rate : run.epochs.back().firing_rates) {
    if (!std::isfinite(rate)) continue;
    sum += rate;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : report::kMissing;
}

ordered_json number(double value) { return std::isfinite(value) ? ordered_json(value) : ordered_json(); }

ordered_json to_json(const Compared& compared) {
  const report::RunRecord& run = compared.run;
  const auto optional = [](const std::optional<double>& value) {
    return value ? number(*value) : ordered_json();
  };
  return {
      {"run", run.path},
      {"state", report::to_string(run.state)},
      {"epochs_done", run.epochs_done},
      {"train_accuracy", number(last_or_missing(run, &report::MetricsPoint::accuracy))},
      {"best_validation_accuracy", optional(run.best_validation_accuracy)},
      {"best_epoch", run.best_epoch},
      {"failure", report::failure_json(run)},
      {"test_accuracy", optional(run.test_accuracy)},
      {"train_seconds", run.train_seconds},
      {"samples_per_s", number(last_or_missing(run, &report::MetricsPoint::samples_per_s))},
      {"parameters", compared.parameters >= 0 ? ordered_json(compared.parameters) : ordered_json()},
      {"macs_per_step", compared.macs_per_step >= 0 ? ordered_json(compared.macs_per_step) : ordered_json()},
      {"mean_firing_rate", number(mean_rate(run))}};
}

template <class Cell>
void add_row(std::vector<std::vector<std::string>>& rows, const char* name, const std::vector<Compared>& runs,
             const Cell& cell) {
  std::vector<std::string> row{name};
  for (const Compared& compared : runs) row.push_back(cell(compared));
  rows.push_back(std::move(row));
}

void print_comparison(const std::vector<Compared>& runs) {
  using Run = Compared;
  std::vector<std::vector<std::string>> rows;
  const auto optional = [](const std::optional<double>& value) {
    return percent(value.value_or(report::kMissing));
  };
  add_row(rows, "", runs, [](const Run& r) { return one_line(r.label); });
  add_row(rows, "state", runs, [](const Run& r) { return std::string(report::to_string(r.run.state)); });
  add_row(rows, "epochs", runs, [](const Run& r) { return r.run.epochs_text(); });
  add_row(rows, "train accuracy", runs,
          [](const Run& r) { return percent(last_or_missing(r.run, &report::MetricsPoint::accuracy)); });
  add_row(rows, "best validation accuracy", runs,
          [&](const Run& r) { return optional(r.run.best_validation_accuracy); });
  add_row(rows, "in epoch", runs,
          [](const Run& r) { return r.run.best_epoch > 0 ? fmt::format("{}", r.run.best_epoch) : "-"; });
  add_row(rows, "test accuracy", runs, [&](const Run& r) { return optional(r.run.test_accuracy); });
  add_row(rows, "time of training", runs, [](const Run& r) { return duration(r.run.train_seconds); });
  add_row(rows, "samples/s", runs, [](const Run& r) {
    const double speed = last_or_missing(r.run, &report::MetricsPoint::samples_per_s);
    return std::isfinite(speed) ? fmt::format("{:.1f}", speed) : "-";
  });
  add_row(rows, "parameters", runs,
          [](const Run& r) { return r.parameters >= 0 ? with_separators(r.parameters) : "-"; });
  add_row(rows, "MAC a step, dense", runs, [](const Run& r) {
    return r.macs_per_step >= 0 ? with_prefix(static_cast<double>(r.macs_per_step)) : "-";
  });
  add_row(rows, "mean firing rate of layers", runs, [](const Run& r) {
    const double rate = mean_rate(r.run);
    return std::isfinite(rate) ? fmt::format("{:.4f}", rate) : "-";
  });
  print_line(stdout, table(rows, std::vector<bool>(rows.front().size(), false)));
  auto different = differences(runs);
  if (different.empty()) {
    print_line(stdout, "\nthe recipes are the same");
    return;
  }
  std::vector<std::string> head{"recipe"};
  for (const Compared& compared : runs) head.push_back(one_line(compared.label));
  different.insert(different.begin(), head);
  print_line(stdout, "\n" + table(different, std::vector<bool>(head.size(), false)));
}

int run_compare(const CompareOptions& options) {
  if (options.runs.size() < 2)
    throw ConfigError("give two runs or more to compare (spikeloom compare RUN RUN)");
  std::vector<Compared> runs;
  std::vector<report::RunRecord> records;
  for (const std::string& path : options.runs) {
    runs.push_back(read(path));
    records.push_back(runs.back().run);
  }
  const auto labels = report::run_labels(records);
  for (std::size_t i = 0; i < runs.size(); ++i) runs[i].label = labels[i];
  if (options.json) {
    ordered_json json = {{"runs", ordered_json::array()}, {"recipe_differences", ordered_json::object()}};
    for (const Compared& compared : runs) json["runs"].push_back(to_json(compared));
    for (const auto& row : differences(runs)) {
      json["recipe_differences"][row.front()] = std::vector<std::string>(row.begin() + 1, row.end());
    }
    print_json(json);
  } else {
    print_comparison(runs);
  }
  for (const Compared& compared : runs) {
    const report::RunRecord& run = compared.run;
    if (run.failure && !options.json) print_line(stdout, one_line(run.path + " " + run.failure->text()));
  }
  for (const Compared& compared : runs) {
    for (const std::string& problem : compared.run.problems)
      print_warning(compared.run.path + ": " + problem);
  }
  return kOk;
}

}  // namespace

void add_compare(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<CompareOptions>();
  auto* command =
      program.add_subcommand("compare", "Compare runs: what differs in the recipes, accuracy and cost");
  command->add_option("runs", options->runs, "Run folders, two or more")->required()->type_name("RUN");
  command->add_flag("--json", options->json, "Print JSON; accuracies are fractions of 1");
  command->callback([options, &chosen] { chosen = [options] { return run_compare(*options); }; });
}

}  // namespace spikeloom::app
