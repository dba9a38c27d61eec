#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spikeloom/model/settings.h"
#include "spikeloom/model/shape.h"

namespace spikeloom::train {

struct BenchmarkRequest {
  model::NetworkSettings network;  ///< structure and num_steps; the rest as in a recipe
  model::Shape input;
  int num_classes = 10;
  std::int64_t batch_size = 8;
  bool still_image = true;      ///< one image shown at every step; false: new spikes at each step
  double input_density = 0.05;  ///< of the spikes, when the input is not a still image
  double firing_rate = 0.0;     ///< > 0: thresholds are calibrated until each layer fires at this rate
  bool inference = false;       ///< forward only
  int iterations = 5;           ///< timed, after two that are not
  std::uint64_t seed = 1;
  std::string device = "cpu";  ///< cpu, cuda or cuda:N
  int threads = 0;             ///< as in TrainingRequest
  bool trace = false;          ///< `iterations` more steps make BenchmarkResult::trace
  bool measure_again = false;  ///< crossovers are timed even if an earlier measurement is kept
  /// Called before each iteration: what is being done, iterations done, of how many (0 while preparing).
  std::function<void(const char* what, int done, int total)> progress;
};

/// One layer with weights; times are medians.
struct BenchmarkLayer {
  std::string name, path;
  double density = 0.0;  ///< fraction of its inputs that are not 0; -1 on a device, where it is not counted
  double forward_ms = 0.0, backward_ms = 0.0;
  /// Spikes a value that comes in below which the layer is event-driven (path "auto").
  double event_forward_below = 0.0, event_gradient_below = 0.0;
  /// Share of the neurons before it whose surrogate window is open; -1 where that was not looked at
  /// (inference, pooling).
  double open_windows = -1.0;
  double open_windows_below =
      0.0;  ///< share of open windows below which its input's gradient skips the others
};

struct BenchmarkResult {
  double samples_per_s = 0.0;                            ///< from the median time
  model::Precision precision = model::Precision::kFp32;  ///< what "auto" was settled to
  double step_ms = 0.0;                                  ///< median
  double step_ms_min = 0.0, step_ms_max = 0.0;
  double peak_rss_mb = 0.0;            ///< of the process
  double peak_device_memory_mb = 0.0;  ///< reserved on the device; 0 on the CPU
  std::string device;                  ///< its name; empty for the CPU
  double loss = 0.0;                   ///< of the last iteration: shows that something was computed
  std::vector<std::pair<std::string, double>> firing_rates;
  std::vector<BenchmarkLayer> layers;  ///< empty of an artificial network
  /// Kept between forward and backward, the input included; 0 in inference.
  double saved_bytes_per_sample = 0.0;
  /// Those steps as Chrome trace JSON (docs/inspect.md); empty unless asked for. Its times are of steps
  /// whose stages are waited for.
  std::string trace;
  /// Where the crossovers in force come from; kFixed also where there is nothing to choose, and in inference,
  /// which does not go by them.
  enum Crossovers { kFixed, kMeasuredNow, kMeasuredBefore } crossovers = kFixed;
};

/// Times a whole training step (forward, loss, backward, SGD with momentum) or a forward pass on random data.
/// Throws ConfigError, ShapeError.
BenchmarkResult benchmark_step(const BenchmarkRequest& request);

}  // namespace spikeloom::train
