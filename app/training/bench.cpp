// `spikeloom bench`, of the program that links LibTorch.
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "app/bench_command.h"
#include "app/commands.h"
#include "app/output.h"
#include "app/output_check.h"
#include "app/training/commands.h"
#include "app/training_display.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/output_target.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/train/benchmark/benchmark.h"
#include "spikeloom/train/benchmark/signature.h"
#include "spikeloom/train/machine/environment.h"

namespace spikeloom::app {
namespace {

std::string precision_name(const train::BenchmarkResult& result) {
  return result.precision == model::Precision::kBf16 ? "bf16" : "fp32";
}

nlohmann::ordered_json to_json(const BenchOptions& options, const train::BenchmarkResult& result) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const auto& layer : result.layers) {
    layers.push_back(
        {{"layer", layer.name},
         {"path", layer.path},
         {"density", layer.density >= 0 ? nlohmann::ordered_json(layer.density) : nlohmann::ordered_json()},
         {"forward_ms", layer.forward_ms},
         {"backward_ms", layer.backward_ms},
         {"event_forward_below", layer.event_forward_below},
         {"event_gradient_below", layer.event_gradient_below},
         {"open_windows",
          layer.open_windows >= 0 ? nlohmann::ordered_json(layer.open_windows) : nlohmann::ordered_json()},
         {"open_windows_below", layer.open_windows_below}});
  }
  nlohmann::ordered_json saved;  // null: not known
  if (result.saved_bytes_per_sample >= 0) saved = result.saved_bytes_per_sample;
  nlohmann::ordered_json rates = nlohmann::ordered_json::object();
  for (const auto& [layer, rate] : result.firing_rates) rates[layer] = rate;
  return {
      {"network", options.net},
      {"input", options.input},
      {"input_kind", options.request.still_image ? "still" : "events"},
      {"batch", options.request.batch_size},
      {"steps", options.request.network.num_steps},
      {"mode", options.request.inference ? "inference" : "training"},
      {"precision", precision_name(result)},
      {"state", options.state},
      {"path", options.path},
      {"crossover", options.crossover},
      {"crossovers_measured",
       result.crossovers == train::BenchmarkResult::kFixed
           ? nlohmann::ordered_json()
           : nlohmann::ordered_json(result.crossovers == train::BenchmarkResult::kMeasuredNow ? "now"
                                                                                              : "before")},
      {"threads", num_threads()},
      {"iterations", options.request.iterations},
      {"samples_per_s", result.samples_per_s},
      {"step_ms", result.step_ms},
      {"step_ms_min", result.step_ms_min},
      {"step_ms_max", result.step_ms_max},
      {"peak_rss_mb", result.peak_rss_mb},
      {"device", result.device.empty() ? "cpu" : result.device},
      {"peak_device_memory_mb", result.device.empty() ? nlohmann::ordered_json()
                                                      : nlohmann::ordered_json(result.peak_device_memory_mb)},
      {"loss", result.loss},
      {"saved_bytes_per_sample", saved},
      {"firing_rates", rates},
      {"layers", layers}};
}

/// One line that is drawn again on a terminal, nothing elsewhere.
void show_progress(train::BenchmarkRequest& request) {
  using Clock = std::chrono::steady_clock;
  if (!is_terminal(stderr)) return;
  request.progress = [begin = Clock::now()](const char* what, int done, int total) mutable {
    if (done <= 1) begin = Clock::now();  // the first one prepares more than the others
    std::string line = what;
    if (total > 0) line += fmt::format(" {} {}/{}", progress_bar(1.0 * done / total, 20), done, total);
    if (done > 1) {
      const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      line += fmt::format("  {} left", duration(seconds / (done - 1) * (total - done)));
    }
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
  };
}

/// Takes the line away when the work is over, and when it fails.
struct ClearedLine {
  ~ClearedLine() {
    if (is_terminal(stderr)) std::fputs("\r\033[K", stderr);
  }
};

}  // namespace

int run_bench(BenchOptions& options) {
  train::configure_threads(options.threads > 0 ? options.threads : num_threads());
  show_progress(options.request);
  options.request.trace = !options.trace.empty();
  options.trace_to_stdout = options.trace == "-";
  options.trace = output_path(options.trace);
  if (options.request.trace) check_output(options.trace, ".json", "--trace");
  if (options.request.trace) resolve_output(options.trace);  // before the minutes that it may take
  if (options.signature) {
    const std::string signature = [&] {
      const ClearedLine line;
      return train::training_signature(options.request);
    }();
    if (options.json) {
      print_json(
          {{"network", options.net}, {"iterations", options.request.iterations}, {"signature", signature}});
    } else {
      print_line(stdout, signature);
    }
    return kOk;
  }
  const auto result = [&] {
    const ClearedLine line;
    return train::benchmark_step(options.request);
  }();
  if (options.request.trace) write_text_file(options.trace, result.trace + "\n");
  if (options.json) {
    print_json(to_json(options, result));
    return kOk;
  }
  print_line(stdout, fmt::format("{}  {}  batch {}  T {}  {}  {}, {} state", options.net, options.input,
                                 options.request.batch_size, options.request.network.num_steps,
                                 counted(num_threads(), "thread"), precision_name(result), options.state));
  print_line(stdout,
             fmt::format(
                 "  {} {:.2f} samples/s  (median of {}: {:.1f} ms, {:.1f} ... {:.1f})  peak memory {:.0f} MB",
                 options.request.inference ? "inference" : "training step", result.samples_per_s,
                 options.request.iterations, result.step_ms, result.step_ms_min, result.step_ms_max,
                 result.peak_rss_mb));
  const bool on_device = !result.device.empty();
  if (on_device) {
    print_line(stdout, fmt::format("  {}, peak device memory {:.0f} MB", result.device,
                                   result.peak_device_memory_mb));
    for (const auto& layer : result.layers) {
      print_line(stdout, fmt::format("  {:10} {:12} {:8.3f} ms forward {:8.3f} ms backward", layer.name,
                                     layer.path, layer.forward_ms, layer.backward_ms));
    }
  }
  if (!result.layers.empty() && !on_device) {
    print_line(stdout, fmt::format("  {:10} {:36} {:>8} {:>11} {:>12}  {}", "layer", "path", "density",
                                   "forward ms", "backward ms", "event below (forward, weights, input)"));
  }
  for (const auto& layer : on_device ? std::vector<train::BenchmarkLayer>() : result.layers) {
    print_line(stdout,
               fmt::format("  {:10} {:36} {:8.3f} {:11.2f} {:12.2f}  {:.2f}, {:.2f}, {:.2f}", layer.name,
                           layer.path, layer.density, layer.forward_ms, layer.backward_ms,
                           layer.event_forward_below, layer.event_gradient_below, layer.open_windows_below));
  }
  if (result.crossovers != train::BenchmarkResult::kFixed) {
    print_line(stdout, result.crossovers == train::BenchmarkResult::kMeasuredNow
                           ? "  crossovers: measured just now"
                           : "  crossovers: from an earlier measurement (--measure-again measures them now)");
  }
  if (result.saved_bytes_per_sample > 0) {
    print_line(stdout,
               fmt::format("  kept for backward: {:.0f} bytes a sample", result.saved_bytes_per_sample));
  }
  std::string rates = "  firing rates:";
  for (const auto& [layer, rate] : result.firing_rates) rates += fmt::format(" {} {:.3f}", layer, rate);
  print_line(stdout, rates);
  if (options.request.trace) {
    print_line(stdout, fmt::format("  trace: {} (open it at ui.perfetto.dev or chrome://tracing)",
                                   options.trace_to_stdout ? "standard output" : options.trace));
  }
  return kOk;
}

}  // namespace spikeloom::app
