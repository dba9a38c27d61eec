#include "spikeloom/train/benchmark/benchmark.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "spikeloom/ops/device.h"
#include "spikeloom/train/benchmark/random_batch.h"
#include "spikeloom/train/benchmark/step_trace.h"
#include "spikeloom/train/machine/arithmetic_scope.h"
#include "spikeloom/train/machine/environment.h"
#include "spikeloom/train/network/crossovers.h"
#include "spikeloom/train/network/firing_rates.h"
#include "spikeloom/train/network/stage_paths.h"
#include "spikeloom/train/steps/step_runner.h"

namespace spikeloom::train {
namespace {

using Clock = std::chrono::steady_clock;
using Costs = std::vector<engine::StageCost>;

constexpr double kLearningRate = 1e-3;  // small: the timed network stays the calibrated one

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

class Benchmark {
 public:
  explicit Benchmark(const BenchmarkRequest& request)
      : request_(request), on_cpu_(ops::device_of(request.device).is_cpu()) {}

  BenchmarkResult run() {
    report("making the network", 0, 0);
    model::NetworkSettings settings = request_.network;
    settings.compute.precision = settled_precision(settings, request_.device);
    result_.precision = settings.compute.precision;
    network_ = make_network(model::plan_network(settings, request_.input, request_.num_classes), settings,
                            request_.seed);
    input_ = random_input(request_);
    labels_ = random_labels(request_);
    steps_ = request_.still_image ? 1 : request_.network.num_steps;
    if (request_.firing_rate > 0.0) calibrate();
    if (!on_cpu_) network_->to(request_.device);
    take_crossovers();
    release_freed_memory();
    time();
    if (request_.network.kind == model::NetworkKind::kSpiking) fill_layers();
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    result_.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024.0;
    return result_;
  }

 private:
  void report(const char* what, int done, int total) const {
    if (request_.progress) request_.progress(what, done, total);
  }

  // On some samples, and on the CPU: all of them would set the peak of memory otherwise.
  void calibrate() {
    constexpr std::int64_t kEnough = 8;
    report("calibrating", 0, 0);
    const std::int64_t samples = std::min(request_.batch_size, kEnough);
    std::vector<float> some;
    const std::int64_t sample = request_.input.size();
    for (std::int64_t t = 0; t < steps_; ++t) {
      const float* const step = input_.data() + t * request_.batch_size * sample;
      some.insert(some.end(), step, step + samples * sample);
    }
    network_->engine().calibrate(network_->batch_of(some.data(), steps_, samples), request_.firing_rate,
                                 engine::Engine::CalibrationTarget::kThresholds);
  }

  void take_crossovers() {
    if (!on_cpu_ || request_.inference || request_.network.compute.crossover != model::Crossover::kMeasured) {
      return;
    }
    report("measuring crossovers", 0, 0);
    const auto taken = train::take_crossovers(*network_, request_.batch_size, request_.measure_again);
    if (taken.layers.empty()) return;
    result_.crossovers = taken.measured ? BenchmarkResult::kMeasuredNow : BenchmarkResult::kMeasuredBefore;
  }

  void time() {
    // On a device: eager steps, the capture of the graph, and its first replays.
    const int warm_up = on_cpu_ ? 2 : 8;
    const at::Device device = ops::device_of(request_.device);
    OptimizerSettings optimizer;
    optimizer.learning_rate = kLearningRate;
    if (!request_.inference) {
      runner_ = std::make_unique<StepRunner>(*network_, optimizer, LossSettings(), request_.seed, steps_,
                                             request_.batch_size);
    }
    const ops::StreamScope stream(device, ops::StreamScope::Order::kAlone);
    batch_ = network_->batch_of(input_.data(), steps_, request_.batch_size, labels_.data());
    std::vector<double> times;
    FiringRates rates;
    for (int i = 0; i < warm_up + request_.iterations; ++i) {
      report(i < warm_up ? "warming up" : "timing", i, warm_up + request_.iterations);
      if (i == warm_up) ops::reset_peak_memory(device);  // trials of convolution algorithms do not count
      network_->engine().backend().wait();
      Costs costs;
      const auto start = Clock::now();
      iterate(i, costs);
      network_->engine().backend().wait();
      const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
      if (i == 0) densities_ = costs;
      if (i >= warm_up) {
        times.push_back(ms);
        costs_.push_back(std::move(costs));
      }
      const engine::Sums sums = network_->engine().collect();
      rates.add(*network_, sums);
      result_.loss = sums.mean_loss();
    }
    if (!on_cpu_ && runner_ != nullptr) time_stages();
    if (request_.trace) {
      report("tracing", 0, 0);
      result_.trace = trace_steps(request_, *network_, runner_.get(), input_, labels_);
    }
    std::sort(times.begin(), times.end());
    result_.step_ms_min = times.front();
    result_.step_ms_max = times.back();
    result_.step_ms = median(times);
    result_.samples_per_s = 1e3 * static_cast<double>(request_.batch_size) / result_.step_ms;
    result_.firing_rates = rates.rates();
    result_.peak_device_memory_mb = static_cast<double>(ops::peak_memory(device)) / (1 << 20);
    if (!on_cpu_) result_.device = ops::describe(device);
  }

  void iterate(int i, Costs& costs) {
    if (request_.inference) {
      engine::Pass pass;
      if (on_cpu_) pass.costs = &costs;
      pass.densities = i == 0;  // not in a timed iteration
      network_->engine().infer(batch_, pass);
    } else if (on_cpu_) {
      runner_->timed_step(batch_, i, kLearningRate, costs, i == 0);
    } else {
      runner_->step(batch_, i, kLearningRate);
    }
  }

  // A device's steps are replayed as a whole: stages are timed apart.
  void time_stages() {
    constexpr int kRepetitions = 5;
    costs_.assign(kRepetitions, Costs());
    for (Costs& costs : costs_) runner_->timed_step(batch_, 0, kLearningRate, costs, false);
    network_->engine().collect();
  }

  void fill_layers() {
    if (costs_.empty() || costs_.front().empty()) return;
    auto saved = static_cast<double>(batch_.input.bytes());
    for (std::size_t stage = 0; stage < costs_.front().size(); ++stage) {
      std::vector<double> forward, backward;
      for (const Costs& costs : costs_) {
        forward.push_back(costs[stage].forward_ms);
        backward.push_back(costs[stage].backward_ms);
      }
      const engine::StageCost& first = costs_.front()[stage];
      saved += static_cast<double>(first.saved_bytes);
      BenchmarkLayer layer;
      layer.name = first.name;
      layer.path = engine::describe_path(first);
      layer.density = on_cpu_ ? densities_[stage].input_density : -1.0;
      layer.forward_ms = median(forward);
      layer.backward_ms = median(backward);
      layer.event_forward_below = first.limits.forward_below;
      layer.event_gradient_below = first.limits.gradient_below;
      layer.open_windows = first.open_windows;
      layer.open_windows_below = first.limits.input_gradient_below;
      result_.layers.push_back(layer);
    }
    if (!request_.inference) {
      result_.saved_bytes_per_sample = saved / static_cast<double>(request_.batch_size);
    }
  }

  const BenchmarkRequest& request_;
  bool on_cpu_;
  BenchmarkResult result_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<StepRunner> runner_;
  std::vector<float> input_;
  std::vector<std::int64_t> labels_;
  std::int64_t steps_ = 1;
  engine::Batch batch_;
  std::vector<Costs> costs_;
  Costs densities_;
};

}  // namespace

BenchmarkResult benchmark_step(const BenchmarkRequest& request) {
  const ArithmeticScope scope(request.threads);
  return Benchmark(request).run();
}

}  // namespace spikeloom::train
