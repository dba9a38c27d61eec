#include "app/bench_command.h"

#include <memory>

#include "app/commands.h"
#include "app/network_arguments.h"
#include "app/network_memory.h"
#include "app/training/commands.h"
#include "spikeloom/base/errors.h"

namespace spikeloom::app {
namespace {

void fill_request(BenchOptions& options) {
  auto& request = options.request;
  request.network.structure = options.net;
  check_network_string(options.net, "--net");
  request.input = parse_input(options.input);
  if (options.kind != "auto" && options.kind != "still" && options.kind != "events") {
    throw ConfigError("--data must be auto, still or events, not '" + options.kind + "'");
  }
  if (options.precision != "auto" && options.precision != "fp32" && options.precision != "bf16") {
    throw ConfigError("--precision must be auto, fp32 or bf16, not '" + options.precision + "'");
  }
  if (options.state != "compact" && options.state != "exact") {
    throw ConfigError("--state must be compact or exact, not '" + options.state + "'");
  }
  request.network.compute.precision = options.precision == "auto"   ? model::Precision::kAuto
                                      : options.precision == "bf16" ? model::Precision::kBf16
                                                                    : model::Precision::kFp32;
  request.network.compute.state =
      options.state == "exact" ? model::StateMode::kExact : model::StateMode::kCompact;
  if (options.path != "auto" && options.path != "dense" && options.path != "event") {
    throw ConfigError("--path must be auto, dense or event, not '" + options.path + "'");
  }
  request.network.compute.path = options.path == "auto"    ? model::Path::kAuto
                                 : options.path == "dense" ? model::Path::kDense
                                                           : model::Path::kEvent;
  if (options.crossover != "measured" && options.crossover != "fixed") {
    throw ConfigError("--crossover must be measured or fixed, not '" + options.crossover + "'");
  }
  request.network.compute.crossover =
      options.crossover == "fixed" ? model::Crossover::kFixed : model::Crossover::kMeasured;
  // Two channels are the polarities of an event camera.
  request.still_image = options.kind == "auto" ? request.input.channels != 2 : options.kind == "still";
  if (request.device != "cpu") return;
  model::MemoryUse use;
  use.batch_size = request.batch_size;
  use.training = !request.inference;
  use.static_input = request.still_image;
  use.moments = request.inference ? 0 : 1;
  check_memory(model::plan_network(request.network, request.input, request.num_classes), request.network, use,
               "--net");
}

/// Mistakes are told before LibTorch is loaded.
int start_bench(BenchOptions& options) {
  fill_request(options);
  return run_bench(options);
}

void add_options(CLI::App& command, const std::shared_ptr<BenchOptions>& options) {
  auto& request = options->request;
  command.add_option("--net", options->net, "Network string (docs/structure.md)")
      ->required()
      ->type_name("STRING");
  command.add_option("--input", options->input, "Shape of the input, e.g. 3x32x32")
      ->required()
      ->type_name("CxHxW");
  command.add_option("--batch", request.batch_size, "Samples in a batch")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--steps", request.network.num_steps, "Time steps, T")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command
      .add_option(
          "--data", options->kind,
          "still: one image shown at every step; events: different spikes at each step; auto: events for "
          "2 channels")
      ->capture_default_str();
  command
      .add_option("--firing-rate", request.firing_rate,
                  "Calibrate each layer's threshold until it fires at this rate (default: as initialised)")
      ->check(CLI::Range(0.001, 0.999));
  command
      .add_option(
          "--precision", options->precision,
          "Precision of convolutions and matrix products: fp32, bf16 (fp32 where the processor has no fast "
          "bf16), or auto: "
          "bf16 where it is fast")
      ->capture_default_str();
  command
      .add_option("--state", options->state, "What is kept for backward: compact (bits and codes) or exact")
      ->capture_default_str();
  command
      .add_option("--path", options->path,
                  "How spikes are multiplied by weights: dense, event (a row of weights for each spike) or "
                  "auto (by density)")
      ->capture_default_str();
  command
      .add_option("--crossover", options->crossover,
                  "Densities below which auto is event-driven in training: measured, layer by layer, once "
                  "for a machine and a "
                  "network, or fixed (as in a recipe with compute.crossover = \"fixed\")")
      ->capture_default_str();
  command
      .add_option(
          "--trace", options->trace,
          "Run as many more iterations and write their stages, loader and bytes to FILE, in the Chrome trace "
          "format (open it at ui.perfetto.dev)")
      ->type_name("FILE")
      ->check(not_empty());
  command.add_flag("--measure-again", request.measure_again,
                   "Measure crossovers now, even if an earlier measurement is kept");
  command
      .add_option("--working-set", request.network.compute.working_set_mb,
                  "MB that a convolution's currents may take: larger batches run a few samples at a time; 0: "
                  "no limit")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e6));
  command.add_option("--iterations", request.iterations, "Timed iterations, after two untimed ones")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  command.add_option("--seed", request.seed, "Seed of weights and data")->capture_default_str();
  command.add_option("--device", request.device, "cpu, cuda or cuda:N (docs/gpu.md)")->capture_default_str();
  command.add_option("--threads", options->threads, "Threads (default: all)")->check(CLI::Range(1, 1024));
  command.add_flag("--json", options->json, "Print JSON");
}

}  // namespace

void add_bench(CLI::App& program, Command& chosen) {
  auto* command = program.add_subcommand("bench", "Time a training step or inference on random data");
  command->require_subcommand(1);
  for (const bool inference : {false, true}) {
    auto options = std::make_shared<BenchOptions>();
    options->request.inference = inference;
    auto* mode = command->add_subcommand(
        inference ? "infer" : "step",
        inference ? "Forward pass only" : "Whole training step: forward, loss, backward, optimiser");
    add_options(*mode, options);
    if (!inference) {
      auto* signature =
          mode->add_flag("--signature", options->signature,
                         "Print a hash of the losses, spikes and weights of N training iterations instead of "
                         "a time; it is the same as long as arithmetic, machine and threads are");
      signature->excludes("--trace");
    }
    mode->callback([options, &chosen] { chosen = [options] { return start_bench(*options); }; });
  }
}

}  // namespace spikeloom::app
