#include <fmt/format.h>

#include <atomic>
#include <csignal>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "app/recipe_list.h"
#include "app/recipe_search.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/train/environment.h"
#include "spikeloom/train/model_info.h"
#include "spikeloom/train/run_folder.h"
#include "spikeloom/train/trainer.h"

namespace spikeloom::app {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

extern "C" void handle_stop_signal(int signal) {
  stop_requested = true;
  std::signal(signal, SIG_DFL);  // a second Ctrl-C ends at once
}

struct TrainOptions {
  std::string recipe, out, data_dir, resume, device = "cpu";
  std::vector<std::string> overrides;
  int threads = 0;
  bool json = false, quiet = false, list = false;
};

void print_result(const train::TrainingResult& result, std::FILE* stream) {
  if (result.has_validation) {
    print_line(stream, fmt::format("validation accuracy {:.2f} % ({})", 100.0 * result.validation_accuracy,
                                   result.selection));
  }
  if (result.has_test) {
    print_line(stream, fmt::format("test accuracy {:.2f} % on {} samples ({}, test set read once)",
                                   100.0 * result.test_accuracy, with_separators(result.test_samples),
                                   result.selection));
    if (result.has_last_epoch_test && result.selection != "last epoch") {
      print_line(stream, fmt::format("test accuracy {:.2f} % (last epoch, likewise)",
                                     100.0 * result.last_epoch_test_accuracy));
    }
  }
  print_line(stream, fmt::format("trained {} iterations in {} ({:.1f} samples/s), peak memory {:.0f} MB",
                                 with_separators(result.iterations), duration(result.train_seconds),
                                 result.samples_per_s, result.peak_memory_mb));
  if (!result.device.empty()) {
    print_line(stream,
               fmt::format("device   {}, peak {:.0f} MB", result.device, result.peak_device_memory_mb));
  }
  print_line(stream, fmt::format("model    {}", result.model_path));
  print_line(stream, fmt::format("next     {} eval {} --split test", program_path(), result.run_path));
  print_line(stream, fmt::format("         {} info {}", program_path(), result.run_path));
}

int run_train(const TrainOptions& options) {
  if (options.list) {
    list_recipes(options.json    ? RecipeListing::kJson
                 : options.quiet ? RecipeListing::kNames
                                 : RecipeListing::kTable);
    return kOk;
  }
  if (options.recipe.empty() == options.resume.empty()) {
    throw ConfigError("give a recipe, or --resume RUN to go on with a run (spikeloom train --help)");
  }
  if (!options.resume.empty() && (!options.overrides.empty() || !options.out.empty())) {
    throw ConfigError("--resume goes on with the recipe of the run: --set and --out are for a new run");
  }
  train::configure_threads(options.threads > 0 ? options.threads : num_threads());
  train::TrainingRequest request;
  request.data_dir = options.data_dir;
  request.stop = &stop_requested;
  request.device = options.device;
  if (options.resume.empty()) {
    request.recipe = train::load_recipe(find_recipe(options.recipe), options.overrides);
    request.run_path = options.out.empty() ? train::new_run_path(request.recipe.name) : options.out;
  } else {
    request.resume = true;
    request.run_path = options.resume;
  }
  std::signal(SIGINT, handle_stop_signal);
  std::signal(SIGTERM, handle_stop_signal);
  std::FILE* stream = options.json ? stderr : stdout;
  TrainingDisplay display(stream, options.quiet);
  const train::TrainingResult result = train::train(request, display);
  if (options.json) {
    const auto recipe = train::read_model_info(train::find_model(result.run_path)).recipe;
    print_line(stdout, train::to_json(result, recipe));
  }
  if (result.interrupted) {
    print_line(
        stream,
        fmt::format("\nstopped after {} iterations; everything is saved. Go on with: {} train --resume {}",
                    with_separators(result.iterations), program_path(), result.run_path));
    return kInterrupted;
  }
  if (!options.quiet) print_result(result, stream);
  return kOk;
}

}  // namespace

void add_train(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<TrainOptions>();
  auto* command = program.add_subcommand("train", "Train a network by a recipe, or go on with a run");
  command->add_option("recipe", options->recipe, "Recipe: a .toml file, or the name of one below recipes/")
      ->type_name("RECIPE");
  command->add_option("--out", options->out, "Run folder to make (default: runs/RECIPE)")->type_name("DIR");
  command
      ->add_option("--set", options->overrides,
                   "Override a key of the recipe, e.g. training.epochs=3; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--resume", options->resume, "Go on with a run that was stopped, bit for bit")
      ->type_name("RUN");
  command
      ->add_option("--data-dir", options->data_dir,
                   "Folder that holds the data sets (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR");
  command->add_option("--device", options->device, "cpu, cuda or cuda:N (docs/gpu.md)")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Threads (default: all)")->check(CLI::Range(1, 1024));
  command->add_flag("--json", options->json,
                    "Print the result as JSON on standard output, everything else on standard error");
  command->add_flag("--quiet", options->quiet, "Print warnings and errors only");
  command->add_flag("--list", options->list,
                    "List the recipes that come with the program (with --quiet: only names)");
  command->footer(
      "Ctrl-C saves and says how to go on. The run folder holds recipe.toml, environment.json,\n"
      "metrics.jsonl, checkpoint.safetensors, model.safetensors and result.json.");
  command->callback([options, &chosen] { chosen = [options] { return run_train(*options); }; });
}

}  // namespace spikeloom::app
