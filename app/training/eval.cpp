// `spikeloom eval`, of the program that links LibTorch.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/eval_command.h"
#include "app/output.h"
#include "app/output_check.h"
#include "app/training/commands.h"
#include "app/training/csv_files.h"
#include "app/training/eval_nir.h"
#include "app/training_display.h"
#include "app/usage_error.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/output_target.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/config/toml.h"
#include "spikeloom/train/evaluation/evaluate.h"
#include "spikeloom/train/machine/environment.h"

namespace spikeloom::app {
namespace {

void print_evaluation_json(const train::ModelEvaluation& evaluation, const std::string& split) {
  const auto& result = evaluation.result;
  nlohmann::ordered_json rates = nlohmann::ordered_json::object();
  for (const auto& [layer, rate] : result.firing_rates) rates[layer] = rate;
  const nlohmann::ordered_json json = {
      {"model", evaluation.model},
      {"dataset", evaluation.dataset},
      {"data", evaluation.data_root},
      {"data_description", evaluation.data_description},
      {"data_classes", evaluation.data_classes},
      {"split", split},
      {"samples", result.samples},
      {"correct", result.correct},
      {"accuracy", result.accuracy},
      {"loss", result.loss},
      {"seconds", result.seconds},
      {"samples_per_s", static_cast<double>(result.samples) / result.seconds},
      {"firing_rates", rates},
      {"class_names", evaluation.class_names},
      {"confusion", result.confusion},
      {"vote_shares", result.vote_shares}};
  print_json(json);
}

void print_evaluation(const train::ModelEvaluation& evaluation, const std::string& split, bool mapped) {
  const auto& result = evaluation.result;
  print_line(stdout, fmt::format("model      {}", one_line(evaluation.model)));
  print_line(stdout,
             fmt::format("data       {} {} ({})", evaluation.dataset, split, one_line(evaluation.data_root)));
  print_line(stdout, fmt::format("           {}", evaluation.data_description));
  if (evaluation.data_classes != evaluation.class_names) {
    print_line(stdout,
               fmt::format("classes    {} of the data, {} the model's {}", evaluation.data_classes.size(),
                           mapped ? "mapped by --class-map to" : "matched by name with",
                           evaluation.class_names.size()));
  }
  print_line(stdout, fmt::format("accuracy   {:.2f} % ({} of {})", 100.0 * result.accuracy,
                                 with_separators(result.correct), counted(result.samples, "sample")));
  print_line(stdout, fmt::format("loss       {:.5f}", result.loss));
  print_line(stdout, fmt::format("time       {:.1f} s ({:.0f} samples/s)", result.seconds,
                                 static_cast<double>(result.samples) / result.seconds));
  if (!result.firing_rates.empty()) {
    std::string rates = "rates     ";
    for (const auto& [layer, rate] : result.firing_rates) rates += fmt::format(" {} {:.3f}", layer, rate);
    print_line(stdout, rates);
  }
  std::vector<std::vector<std::string>> rows{{"class", "samples", "correct", "most often taken for"}};
  for (std::size_t label = 0; label < evaluation.class_names.size(); ++label) {
    std::int64_t total = 0;
    std::size_t other = label;
    for (std::size_t guess = 0; guess < evaluation.class_names.size(); ++guess) {
      const std::int64_t count = result.confusion[label][guess];
      total += count;
      if (guess != label && count > (other == label ? 0 : result.confusion[label][other])) other = guess;
    }
    if (total == 0) continue;
    rows.push_back({one_line(evaluation.class_names[label]), with_separators(total),
                    fmt::format("{:.1f} %", 100.0 * static_cast<double>(result.confusion[label][label]) /
                                                static_cast<double>(total)),
                    other == label ? ""
                                   : fmt::format("{} ({})", one_line(evaluation.class_names[other]),
                                                 result.confusion[label][other])});
  }
  print_line(stdout, "\n" + table(rows, {false, true, true, false}));
}

/// --dataset, --folder and --steps as keys of the recipe, before those of --set.
void add_shorthands(const EvalOptions& options, std::vector<std::string>& overrides) {
  std::vector<std::string> first;
  const auto add = [&](const char* option, const char* section, const char* key, const std::string& value) {
    refuse_said_twice(overrides, section, key, option);
    first.push_back(fmt::format("{}.{}={}", section, key, value));
  };
  if (!options.dataset.empty()) add("--dataset", "data", "dataset", config::quoted(options.dataset));
  if (!options.folder.empty()) add("--folder", "data", "folder", config::quoted(options.folder));
  if (options.steps > 0) add("--steps", "network", "num_steps", std::to_string(options.steps));
  overrides.insert(overrides.begin(), first.begin(), first.end());
}

}  // namespace

int run_eval(const EvalOptions& options) {
  if (is_nir_file(options.request.model)) {
    const auto& asked = options.request;
    return eval_nir({asked.model, options.dataset, options.folder, asked.split, asked.data_dir, options.steps,
                     options.threads, asked.limit, options.nir, options.json});
  }
  train::configure_threads(options.threads > 0 ? options.threads : num_threads());
  train::EvaluationRequest request = options.request;
  add_shorthands(options, request.overrides);
  if (is_terminal(stderr)) {
    request.progress = [](std::int64_t done, std::int64_t total) {
      std::fprintf(stderr, "\r\033[K%s %lld/%lld",
                   progress_bar(static_cast<double>(done) / static_cast<double>(total), 20).c_str(),
                   static_cast<long long>(done), static_cast<long long>(total));
      if (done == total) std::fputs("\r\033[K", stderr);
    };
  }
  request.preparing = request.progress;
  request.keep_predictions = !options.predictions.empty();
  // Before the minutes that it may take.
  std::map<std::string, const char*> outputs;
  const std::string predictions = output_path(options.predictions),
                    confusion = output_path(options.confusion),
                    vote_shares = output_path(options.vote_shares);
  for (const auto& [option, path] :
       {std::pair("--predictions", predictions), std::pair("--confusion", confusion),
        std::pair("--vote-shares", vote_shares)}) {
    if (path.empty()) continue;
    check_output(path, ".csv", option);
    resolve_output(path);
    const auto [other, is_new] = outputs.emplace(path, option);
    if (!is_new)
      throw ConfigError(fmt::format("{} and {} name the same file, {}", other->second, option, path));
  }
  const auto evaluation = train::evaluate_model(request);
  if (!predictions.empty()) write_predictions(predictions, evaluation);
  if (!confusion.empty()) write_confusion(confusion, evaluation);
  if (!vote_shares.empty()) write_vote_shares(vote_shares, evaluation);
  if (options.json) {
    print_evaluation_json(evaluation, request.split);
  } else {
    print_evaluation(evaluation, request.split, !request.class_map.empty());
  }
  return kOk;
}

}  // namespace spikeloom::app
