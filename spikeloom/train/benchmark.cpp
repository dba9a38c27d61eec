#include "spikeloom/train/benchmark.h"

#include <c10/core/GradMode.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "spikeloom/nn/loss.h"
#include "spikeloom/nn/network.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/arithmetic_scope.h"
#include "spikeloom/train/benchmark_device.h"
#include "spikeloom/train/crossovers.h"
#include "spikeloom/train/environment.h"
#include "spikeloom/train/evaluate_network.h"
#include "spikeloom/train/optimizer.h"
#include "spikeloom/train/random_batch.h"

namespace spikeloom::train {
namespace {

void fill_layers(const std::vector<std::vector<nn::LayerCost>>& costs,
                 const std::vector<nn::LayerCost>& densities, const at::Tensor& input,
                 const BenchmarkRequest& request, BenchmarkResult& result) {
  const auto& first = costs.front();
  if (first.empty() && !request.inference) result.saved_bytes_per_sample = -1.0;
  if (first.empty()) return;
  auto saved = static_cast<double>(input.nbytes());
  for (std::size_t layer = 0; layer < first.size(); ++layer) {
    std::vector<double> forward, backward;
    for (const auto& iteration : costs) {
      forward.push_back(iteration[layer].forward_ms);
      backward.push_back(iteration[layer].backward_ms);
    }
    saved += static_cast<double>(first[layer].saved_bytes);
    result.layers.push_back({first[layer].name, first[layer].path, densities[layer].input_density,
                             median(forward), median(backward), first[layer].crossover.forward_below,
                             first[layer].crossover.gradient_below, first[layer].open_windows,
                             first[layer].crossover.input_gradient_below});
  }
  if (!request.inference) result.saved_bytes_per_sample = saved / static_cast<double>(request.batch_size);
}

}  // namespace

BenchmarkResult benchmark_step(const BenchmarkRequest& request) {
  const ArithmeticScope scope(request.threads);
  const at::Device device = ops::device_of(request.device);
  if (!device.is_cpu()) return benchmark_on_device(request, device);
  using Clock = std::chrono::steady_clock;
  constexpr int kWarmUp = 2;
  const auto report = [&](const char* what, int done, int total) {
    if (request.progress) request.progress(what, done, total);
  };
  report("making the network", 0, 0);
  nn::Network network(model::plan_network(request.network, request.input, request.num_classes),
                      request.network, request.seed);
  OptimizerSettings settings;
  settings.learning_rate = 1e-3;  // small: the timed network stays the calibrated one
  Optimizer optimizer(network.parameters(), settings);
  const at::Tensor input = random_input(request);
  const at::Tensor labels = random_labels(request);
  if (request.firing_rate > 0.0) {
    report("calibrating", 0, 0);
    // On some samples: with exact state and in float, they would set the peak of memory otherwise.
    constexpr std::int64_t kEnough = 8;
    network.calibrate(input.narrow(1, 0, std::min(request.batch_size, kEnough)), request.firing_rate,
                      nn::Network::CalibrationTarget::kThresholds);
  }
  BenchmarkResult result;
  if (request.network.compute.crossover == model::Crossover::kMeasured && !request.inference) {
    report("measuring crossovers", 0, 0);
    const auto taken = take_crossovers(network, request.batch_size, request.measure_again);
    if (!taken.layers.empty()) {
      result.crossovers = taken.measured ? BenchmarkResult::kMeasuredNow : BenchmarkResult::kMeasuredBefore;
    }
  }
  release_freed_memory();
  std::vector<double> times;
  FiringRates rates;
  std::vector<std::vector<nn::LayerCost>> costs;
  std::vector<nn::LayerCost> densities;
  for (int i = 0; i < kWarmUp + request.iterations; ++i) {
    report(i < kWarmUp ? "warming up" : "timing", i, kWarmUp + request.iterations);
    std::vector<nn::LayerActivity> activity;
    nn::ForwardOptions options;
    options.training = !request.inference;
    options.seed = request.seed;
    options.iteration = static_cast<std::uint64_t>(i);
    options.activity = &activity;
    std::vector<nn::LayerCost> layer_costs;
    options.costs = &layer_costs;
    options.densities = i == 0;  // not in a timed iteration
    const auto start = Clock::now();
    {
      const at::AutoGradMode mode(!request.inference);
      const at::Tensor votes = network.forward(input, options);
      const at::Tensor loss = nn::mse_loss(votes, labels, nn::Reduction::kMean);
      if (!request.inference) {
        loss.backward();
        optimizer.step();
      }
      result.loss = loss.item().toDouble();
    }
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (i == 0) densities = layer_costs;
    if (i >= kWarmUp) {
      times.push_back(ms);
      costs.push_back(std::move(layer_costs));
    }
    rates.add(activity);
  }
  fill_layers(costs, densities, input, request, result);
  std::sort(times.begin(), times.end());
  result.step_ms_min = times.front();
  result.step_ms_max = times.back();
  result.step_ms = median(times);
  result.samples_per_s = 1e3 * static_cast<double>(request.batch_size) / result.step_ms;
  result.firing_rates = rates.rates();
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  result.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024.0;
  return result;
}

}  // namespace spikeloom::train
