#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/csv_files.h"
#include "app/nir_file.h"
#include "app/output.h"
#include "app/output_check.h"
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

struct EvalOptions {
  train::EvaluationRequest request;
  std::string dataset, folder, predictions, confusion, vote_shares;
  int steps = 0, threads = 0;
  bool json = false;
  NirStepOptions nir;
  std::vector<const CLI::Option*> of_nir, of_models;  ///< what does not apply to the other kind
};

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
  print_line(stdout, fmt::format("model      {}", evaluation.model));
  print_line(stdout, fmt::format("data       {} {} ({})", evaluation.dataset, split, evaluation.data_root));
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

int run_eval(const EvalOptions& options) {
  if (is_nir_file(options.request.model)) {
    refuse_given(options.of_models, "a NIR graph");
    const auto& asked = options.request;
    return eval_nir({asked.model, options.dataset, options.folder, asked.split, asked.data_dir, options.steps,
                     options.threads, asked.limit, options.nir, options.json});
  }
  refuse_given(options.of_nir, "a model of Spikeloom");
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

}  // namespace

void add_eval(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<EvalOptions>();
  auto* command = program.add_subcommand("eval", kEvalDescription);
  auto& request = options->request;
  command->add_option("model", request.model, "Run folder, model file, checkpoint or NIR graph (.nir)")
      ->required()
      ->type_name("RUN_OR_MODEL");
  command->add_option("--split", request.split, "train, validation or test")
      ->capture_default_str()
      ->type_name("NAME");
  command
      ->add_option("--dataset", options->dataset,
                   "Another data set, of the same shape, instead of the recipe's")
      ->type_name("NAME");
  command
      ->add_option("--folder", options->folder,
                   "Another folder of your own data (data.folder) instead of the recipe's")
      ->type_name("PATH");
  command
      ->add_option("--steps", options->steps,
                   "Another number of time steps instead of the recipe's; of a NIR graph, "
                   "how many each sample takes (default: to its last event)")
      ->check(CLI::Range(1, 4096));
  options->of_models.push_back(
      command
          ->add_option(
              "--set", request.overrides,
              "Override a key of [data] or network.num_steps, e.g. data.window_us=10000; may be repeated")
          ->type_name("KEY=VALUE")
          ->allow_extra_args(false));
  options->of_models.push_back(command
                                   ->add_option("--class-map", request.class_map,
                                                "Which class of the data is which of the model, where names "
                                                "differ: 'a=b,c=d', or a file with one a=b on each line")
                                   ->type_name("MAP"));
  options->of_models.push_back(
      command
          ->add_option("--predictions", options->predictions,
                       "Write label, prediction and votes of each sample to FILE (csv)")
          ->type_name("FILE")
          ->check(not_empty()));
  options->of_models.push_back(
      command->add_option("--confusion", options->confusion, "Write the confusion matrix to FILE (csv)")
          ->type_name("FILE")
          ->check(not_empty()));
  options->of_models.push_back(
      command
          ->add_option("--vote-shares", options->vote_shares,
                       "Write the mean share of the votes of each class, by true class, to FILE (csv)")
          ->type_name("FILE")
          ->check(not_empty()));
  command->add_option("--device", request.device, "cpu, cuda or cuda:N (docs/gpu.md)")->capture_default_str();
  command
      ->add_option(
          "--data-dir", request.data_dir,
          "Folder that holds the data sets, the only one looked in (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  options->of_models.push_back(
      command->add_option("--batch", request.batch_size, "Samples at a time (default: the recipe's)")
          ->check(CLI::Range(1, 1 << 20)));
  command->add_option("--limit", request.limit, "Only the first N samples")->check(CLI::Range(1, 1 << 30));
  command->add_option("--threads", options->threads, "Threads (default: all)")->check(CLI::Range(1, 1024));
  options->of_nir = add_nir_options(*command, options->nir);
  command->add_flag("--json", options->json, "Print JSON; accuracy is a fraction of 1");
  command->footer(
      "With --dataset or --folder, the recipe's split and limits have their defaults unless --set gives "
      "them.\n"
      "Classes are matched by their names.");
  command->callback([options, &chosen] { chosen = [options] { return run_eval(*options); }; });
}

}  // namespace spikeloom::app
