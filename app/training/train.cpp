// `spikeloom train`, of the program that links LibTorch.
#include <fmt/format.h>

#include <cstring>
#include <memory>

#include "app/commands.h"
#include "app/output.h"
#include "app/process.h"
#include "app/stop_signals.h"
#include "app/train_command.h"
#include "app/training/commands.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/parallel/group.h"
#include "spikeloom/train/run/model_info.h"
#include "spikeloom/train/run/run_folder.h"
#include "spikeloom/train/session/trainer.h"

namespace spikeloom::app {
namespace {

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
  print_line(stream, fmt::format("model    {}", one_line(result.model_path)));
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

train::TrainingRequest request_of(const TrainOptions& options) {
  train::TrainingRequest request;
  request.recipe = recipe_of(options);
  request.data_dir = options.data_dir;
  request.stop = &stop_requested;
  request.device = options.device;
  request.threads = options.threads;
  if (options.resume.empty()) {
    request.init_from = options.init_from;
    request.run_path = options.out.empty() ? train::new_run_path(request.recipe.name) : options.out;
  } else {
    request.resume = true;
    request.run_path = options.resume;
    request.changes = options.overrides;
    request.accept_changed_data = options.accept_changed_data;
    if (options.tensorboard) request.changes.emplace_back(kTensorBoardSetting);
  }
  return request;
}

}  // namespace

int run_train(const TrainOptions& options) {
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

}  // namespace spikeloom::app
