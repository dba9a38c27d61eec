#include "app/train_command.h"

#include <cstdlib>
#include <memory>

#include "app/commands.h"
#include "app/recipe_list.h"
#include "app/recipe_search.h"
#include "app/training/commands.h"
#include "app/usage_error.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/parallel/launcher.h"

namespace spikeloom::app {
namespace {

/// What `spikeloom launch` says to processes that it starts again: go on with the run.
TrainOptions restarted(TrainOptions options) {
  const char* const run = std::getenv(parallel::kRestartedRun);
  if (run == nullptr || *run == '\0') return options;
  if (options.resume.empty()) options.overrides.clear();  // the run has them
  options.recipe.clear();
  options.out.clear();
  options.init_from.clear();
  options.resume = run;
  return options;
}

/// Options that do not go together.
void check_together(const TrainOptions& options) {
  if (options.recipe.empty() == options.resume.empty()) {
    throw ConfigError("give a recipe, or --resume RUN to resume a run (spikeloom train --help)");
  }
  if (!options.resume.empty() && !options.out.empty()) {
    throw ConfigError("--resume writes into the run's own folder: --out is for a new run");
  }
  if (options.resume.empty() && options.accept_changed_data) {
    throw ConfigError("--accept-changed-data is for a run that is resumed (--resume RUN)");
  }
  if (!options.resume.empty() && !options.init_from.empty()) {
    throw ConfigError("--init-from is for a new training: a run that is resumed has its own weights");
  }
  if (options.tensorboard) refuse_said_twice(options.overrides, "logging", "tensorboard", "--tensorboard");
}

int start_train(const TrainOptions& given) {
  const TrainOptions options = restarted(given);
  if (options.list) {
    list_recipes(options.json    ? RecipeListing::kJson
                 : options.quiet ? RecipeListing::kNames
                                 : RecipeListing::kTable);
    return kOk;
  }
  // A mistake is told before LibTorch is loaded. Of several processes, one that left alone would keep the
  // others waiting: they tell it together.
  if (!parallel::find_placement(parallel::process_environment())) recipe_of(options);
  return run_train(options);
}

}  // namespace

train::Recipe recipe_of(const TrainOptions& options) {
  check_together(options);
  if (!options.resume.empty()) return {};
  std::vector<std::string> overrides = options.overrides;
  if (options.tensorboard) overrides.emplace_back(kTensorBoardSetting);
  return train::load_recipe(find_recipe(options.recipe), overrides);
}

void add_train(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<TrainOptions>();
  auto* command = program.add_subcommand("train", "Train a network from a recipe, or resume a run");
  command->add_option("recipe", options->recipe, "Recipe: a .toml file, or the name of one below recipes/")
      ->type_name("RECIPE");
  command->add_option("--out", options->out, "Run folder to make (default: runs/RECIPE)")
      ->type_name("DIR")
      ->check(not_empty());
  command
      ->add_option("--set", options->overrides,
                   "Override a key of the recipe, e.g. training.epochs=3; may be repeated. With --resume: "
                   "train longer or with another learning rate (docs/recipes.md lists the keys)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--resume", options->resume,
                   "Resume a run that was stopped, bit for bit; for a finished run, print its result")
      ->type_name("RUN");
  command
      ->add_option("--init-from", options->init_from,
                   "Start with the weights of another model or run, where names and shapes are the same; the "
                   "rest is listed")
      ->type_name("MODEL")
      ->check(not_empty());
  command->add_flag("--accept-changed-data", options->accept_changed_data,
                    "With --resume: resume although the data are not those that the run began with");
  command
      ->add_option("--data-dir", options->data_dir,
                   "Folder that holds the data sets (default: SPIKELOOM_DATA_DIR, ./data)")
      ->type_name("DIR")
      ->check(not_empty());
  command->add_option("--device", options->device, "cpu, cuda or cuda:N (docs/gpu.md)")
      ->capture_default_str();
  command
      ->add_option("--threads", options->threads,
                   "Threads (default: all; with --resume: as many as the run began with)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--tensorboard", options->tensorboard,
                    "Write event files for TensorBoard into the run folder (logging.tensorboard=true)");
  command
      ->add_option(
          "--timeout", options->timeout,
          "Of several processes (spikeloom launch, torchrun, mpirun, srun): how many seconds to wait for "
          "one that does not answer")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  command->add_flag("--json", options->json,
                    "Print the result as JSON on standard output, everything else on standard error");
  command->add_flag("--quiet", options->quiet, "Print warnings and errors only");
  command->add_flag("--list", options->list,
                    "List the recipes that come with the program (with --quiet: only names)");
  command->footer(
      "Ctrl-C, a closed terminal or pipe: saves and says how to resume. The run folder holds recipe.toml, "
      "environment.json,\n"
      "metrics.jsonl, checkpoint.safetensors, model.safetensors and result.json.");
  command->callback([options, &chosen] { chosen = [options] { return start_train(*options); }; });
}

}  // namespace spikeloom::app
