#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "app/recipe_list.h"
#include "app/recipe_search.h"
#include "app/stop_signals.h"
#include "app/training_display.h"
#include "app/usage_error.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/parallel/group.h"
#include "spikeloom/parallel/launcher.h"
#include "spikeloom/parallel/placement.h"
#include "spikeloom/train/run/model_info.h"
#include "spikeloom/train/run/run_folder.h"
#include "spikeloom/train/session/trainer.h"

namespace spikeloom::app {
namespace {

struct TrainOptions {
  std::string recipe, out, data_dir, resume, init_from, device = "cpu";
  std::vector<std::string> overrides;
  int threads = 0;
  double timeout = parallel::Group::kTimeoutSeconds;
  bool json = false, quiet = false, list = false, accept_changed_data = false, tensorboard = false;
};

constexpr const char* kTensorBoard = "logging.tensorboard=true";

std::string resume_command(const train::TrainingResult& result) {
  return shell_quoted(program_path()) + " train --resume " + shell_quoted(result.run_path);
}

/// How often the test set was read, as it is.
std::string test_readings(const train::TrainingResult& result) {
  if (result.test_reads <= 1) return "test set read once";
  return fmt::format(
      "test set read {} times in this run: it was stopped during a reading, or trained longer after one",
      result.test_reads);
}

void print_result(const train::TrainingResult& result, std::FILE* stream) {
  if (result.stopped_early) {
    print_line(stream, fmt::format("stopped early after {}: the validation accuracy did not improve",
                                   counted(result.epochs, "epoch")));
  }
  if (result.has_validation) {
    print_line(stream, fmt::format("validation accuracy {:.2f} % ({})", 100.0 * result.validation_accuracy,
                                   result.selection));
  }
  if (result.has_test) {
    print_line(stream,
               fmt::format("test accuracy {:.2f} % on {} ({}, {})", 100.0 * result.test_accuracy,
                           counted(result.test_samples, "sample"), result.selection, test_readings(result)));
  }
  print_line(stream, fmt::format("trained {} in {} ({:.1f} samples/s), peak memory {:.0f} MB",
                                 counted(result.iterations, "iteration"), duration(result.train_seconds),
                                 result.samples_per_s, result.peak_memory_mb));
  if (!result.device.empty()) {
    print_line(stream,
               fmt::format("device   {}, peak {:.0f} MB", result.device, result.peak_device_memory_mb));
  }
  const std::string program = shell_quoted(program_path()), run = shell_quoted(result.run_path);
  const char* split = result.has_test ? "test" : result.has_validation ? "validation" : "train";
  print_line(stream, fmt::format("model    {}", result.model_path));
  print_line(stream, fmt::format("next     {} eval {} --split {}", program, run, split));
  print_line(stream, fmt::format("         {} info {}", program, run));
}

/// What a finished run that was resumed says before its result.
void print_nothing_left(const train::TrainingResult& result, const train::Recipe& recipe, bool changed,
                        std::FILE* stream) {
  const auto& training = recipe.training;
  std::string longer = fmt::format("training.epochs={}", 2 * static_cast<std::int64_t>(result.epochs));
  if (training.max_iterations > 0 && result.iterations >= training.max_iterations) {
    longer = fmt::format("training.max_iterations={}", 2 * result.iterations);
  } else if (result.stopped_early) {
    longer = "training.early_stopping_epochs=0";
  }
  if (changed) {
    print_line(stream, fmt::format("--set was not applied: {}",
                                   result.stopped_early ? "early stopping ended this run, and still does"
                                                        : "it leaves nothing more to train"));
  }
  print_line(stream,
             "nothing was left to do: this run is finished, and this is its result. To train longer:");
  print_line(stream, fmt::format("  {} --set {}", resume_command(result), longer));
}

/// The exit code of a training that ended because its output was lost.
int report_lost_output(const TrainingDisplay& display, const train::TrainingResult& result) {
  if (!display.reader_is_gone()) {
    throw DataError(std::string("cannot write the output: ") + std::strerror(display.output_error()) +
                    "; everything is saved" +
                    (result.interrupted ? ". Resume with: " + resume_command(result) : ""));
  }
  if (!result.interrupted) return kOk;
  print_line(stderr,
             fmt::format("spikeloom: the output was closed: stopped after {}; everything is saved. Resume "
                         "with: {}",
                         counted(result.iterations, "iteration"), resume_command(result)));
  return kInterrupted;
}

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
void check(const TrainOptions& options) {
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

train::TrainingRequest request_of(const TrainOptions& options) {
  check(options);
  train::TrainingRequest request;
  request.data_dir = options.data_dir;
  request.stop = &stop_requested;
  request.device = options.device;
  request.threads = options.threads;
  if (options.resume.empty()) {
    std::vector<std::string> overrides = options.overrides;
    if (options.tensorboard) overrides.push_back(kTensorBoard);
    request.recipe = train::load_recipe(find_recipe(options.recipe), overrides);
    request.init_from = options.init_from;
    request.run_path = options.out.empty() ? train::new_run_path(request.recipe.name) : options.out;
  } else {
    request.resume = true;
    request.run_path = options.resume;
    request.changes = options.overrides;
    request.accept_changed_data = options.accept_changed_data;
    if (options.tensorboard) request.changes.push_back(kTensorBoard);
  }
  return request;
}

int run_train(const TrainOptions& given) {
  const TrainOptions options = restarted(given);
  if (options.list) {
    list_recipes(options.json    ? RecipeListing::kJson
                 : options.quiet ? RecipeListing::kNames
                                 : RecipeListing::kTable);
    return kOk;
  }
  stop_on_signals();
  std::unique_ptr<parallel::Group> group;
  if (const auto placement = parallel::find_placement(parallel::process_environment())) {
    group = parallel::Group::join(*placement, options.timeout);
  }
  train::TrainingRequest request =
      group == nullptr ? request_of(options) : group->run([&] { return request_of(options); });
  request.group = group.get();
  std::FILE* stream = options.json ? stderr : stdout;
  TrainingDisplay display(stream, options.quiet, &stop_requested);
  const train::TrainingResult result = train::train(request, display);
  // Rank 0 says what there is to say.
  if (group != nullptr && !group->leads()) return result.interrupted ? kInterrupted : kOk;
  if (!result.nothing_left) display.summarise();
  const auto recipe = train::read_model_info(result.run_path + "/checkpoint.safetensors").recipe;
  if (options.json) print_line(stdout, train::to_json(result, recipe));
  if (display.output_error() != 0) return report_lost_output(display, result);
  if (result.interrupted) {
    print_line(stream, fmt::format("\nstopped after {}; everything is saved. Resume with: {}",
                                   counted(result.iterations, "iteration"), resume_command(result)));
    return kInterrupted;
  }
  if (options.quiet) return kOk;
  if (result.nothing_left) print_nothing_left(result, recipe, !options.overrides.empty(), stream);
  print_result(result, stream);
  return kOk;
}

}  // namespace

void add_train(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<TrainOptions>();
  auto* command = program.add_subcommand("train", kTrainDescription);
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
  command->callback([options, &chosen] { chosen = [options] { return run_train(*options); }; });
}

}  // namespace spikeloom::app
