#include "app/training/eval_nir.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/output.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/exchange/nir_evaluation.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/train/machine/environment.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

constexpr int kDefaultSteps = 400;

/// A graph has no recipe: what a set asks of one has to be in its files.
data::DataSplits open_set(const data::DataSettings& settings, int steps, const NirEvalRequest& request) {
  try {
    return data::open_dataset(settings, steps, request.data_dir,
                              request.split == "test" ? data::Parts::kTest : data::Parts::kAll);
  } catch (const ConfigError& error) {
    if (error.key() != "data.sensor") throw;
    throw DataError(
        "the recordings do not say how large their sensor is, and a NIR graph has no recipe that does: write "
        "it "
        "into the files first (spikeloom convert FILE OUT.csv --sensor WxH)");
  }
}

}  // namespace

int eval_nir(const NirEvalRequest& request) {
  if (request.dataset.empty())
    throw ConfigError("a NIR graph does not say what it was trained on: add --dataset NAME, e.g. n-mnist");
  if (request.split != "train" && request.split != "test")
    throw ConfigError("unknown split '" + request.split + "' of a NIR graph's data: train or test");
  const auto graph = formats::read_nir(request.path);
  const NirStepOptions options = request.options.settled(graph, request.path);
  const exchange::NirSimulator simulator = options.simulator(graph, request.path);
  data::DataSettings settings;
  settings.dataset = request.dataset;
  settings.folder = request.folder;
  settings.window_us = options.bin_us;
  if (options.time_origin == "zero") settings.time_origin = data::TimeOrigin::kZero;
  // The training's, where the graph says them: then every step counts, as in `eval` of the model.
  const int known_steps = request.steps > 0 ? request.steps : options.trained_steps;
  const int steps = known_steps > 0 ? known_steps : kDefaultSteps;
  const auto splits = open_set(settings, steps, request);
  const auto samples = request.split == "test" ? splits.require_test() : splits.train;
  exchange::NirSamples which{request.limit, known_steps > 0};
  which.image_steps = known_steps;
  if (samples->shape().is_static && which.image_steps == 0) {
    throw ConfigError(request.dataset +
                      " has still images, and the graph does not say for how many steps one is shown: "
                      "add --steps N");
  }
  exchange::check_fit(simulator, *samples);
  train::configure_threads(request.threads > 0 ? request.threads : num_threads());
  const std::string assumed = options.assumed(graph);
  print_warning(options.warning(graph));
  samples->prepare({});
  std::function<void(std::int64_t, std::int64_t)> progress;
  if (is_terminal(stderr)) {
    progress = [](std::int64_t done, std::int64_t total) {
      std::fprintf(stderr, "\r\033[K%lld/%lld", static_cast<long long>(done), static_cast<long long>(total));
      if (done == total) std::fputs("\r\033[K", stderr);
    };
  }
  const auto result = exchange::evaluate_nir(simulator, *samples, which, progress);
  const double accuracy =
      result.samples > 0 ? static_cast<double>(result.correct) / static_cast<double>(result.samples) : 0.0;
  if (request.json) {
    ordered_json spikes = ordered_json::object();
    for (const auto& [name, count] : result.spikes) spikes[name] = count;
    print_json({{"model", request.path},
                {"dataset", request.dataset},
                {"split", request.split},
                {"assumed", assumed},
                {"samples", result.samples},
                {"correct", result.correct},
                {"accuracy", accuracy},
                {"output_spikes", result.output_spikes},
                {"spikes", spikes},
                {"class_names", samples->class_names()},
                {"confusion", result.confusion}});
    return kOk;
  }
  print_line(stdout, fmt::format("model      {} (NIR {})", one_line(request.path), graph.version));
  print_line(stdout,
             fmt::format("data       {} {} ({})", request.dataset, request.split, one_line(splits.root)));
  print_line(stdout, fmt::format("accuracy   {:.2f} % ({} of {})", 100.0 * accuracy,
                                 with_separators(result.correct), counted(result.samples, "sample")));
  print_line(stdout, "output     " + counted(result.output_spikes, "spike"));
  for (const auto& [name, count] : result.spikes)
    print_line(stdout, fmt::format("spikes     {} of '{}'", with_separators(count), one_line(name)));
  return kOk;
}

}  // namespace spikeloom::app
