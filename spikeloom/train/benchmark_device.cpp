#include "spikeloom/train/benchmark_device.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <sys/resource.h>

#include <chrono>

#include "spikeloom/train/device_trainer.h"
#include "spikeloom/train/evaluate_network.h"
#include "spikeloom/train/random_batch.h"

namespace spikeloom::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kLearningRate = 1e-3;  // small: the timed network stays the calibrated one

void add_layers(DeviceTrainer& trainer, const BenchmarkRequest& request, BenchmarkResult& result) {
  constexpr int kRepetitions = 5;
  std::vector<std::vector<nn::LayerCost>> costs(kRepetitions);
  for (auto& step : costs) trainer.timed_step(0, kLearningRate, step);
  for (std::size_t l = 0; l < costs.front().size(); ++l) {
    std::vector<double> forward, backward;
    for (const auto& step : costs) {
      forward.push_back(step[l].forward_ms);
      backward.push_back(step[l].backward_ms);
    }
    BenchmarkLayer layer;
    layer.name = costs.front()[l].name;
    layer.path = costs.front()[l].path;
    layer.density = -1.0;
    layer.forward_ms = median(forward);
    layer.backward_ms = median(backward);
    result.layers.push_back(layer);
  }
  const auto input = trainer.buffers(request.batch_size).inputs.nbytes();
  const auto saved = trainer.chain().saved_bytes(request.batch_size) + static_cast<std::int64_t>(input);
  result.saved_bytes_per_sample = static_cast<double>(saved) / static_cast<double>(request.batch_size);
}

}  // namespace

BenchmarkResult benchmark_on_device(const BenchmarkRequest& request, const at::Device& device) {
  // Eager steps, the capture of the graph, and its first replays.
  constexpr int kWarmUp = 8;
  ops::prepare_arithmetic(device, request.network.compute.precision == model::Precision::kBf16);
  nn::Network network(model::plan_network(request.network, request.input, request.num_classes),
                      request.network, request.seed);
  const at::Tensor input = random_input(request);
  if (request.firing_rate > 0.0) {
    constexpr std::int64_t kEnough = 8;  // on the CPU: not for the whole of a device's batch
    network.calibrate(input.narrow(1, 0, std::min(request.batch_size, kEnough)), request.firing_rate,
                      nn::Network::CalibrationTarget::kThresholds);
  }
  network.to(device);
  ops::reset_peak_memory(device);
  OptimizerSettings optimizer;
  optimizer.learning_rate = kLearningRate;
  DeviceTrainer trainer(network, optimizer, LossSettings(), request.seed, input.size(0), request.batch_size);
  const ops::StreamScope stream(device, ops::StreamScope::Order::kAlone);
  const DeviceBatch& batch = trainer.buffers(request.batch_size);
  batch.inputs.copy_(input);
  batch.labels.copy_(random_labels(request));

  BenchmarkResult result;
  std::vector<double> times;
  nn::DeviceSums spikes(trainer.chain().layer_names().size(), device);
  for (int i = 0; i < kWarmUp + request.iterations; ++i) {
    if (request.progress) {
      request.progress(i < kWarmUp ? "warming up" : "timing", i, kWarmUp + request.iterations);
    }
    if (i == kWarmUp) ops::reset_peak_memory(device);  // trials of convolution algorithms do not count
    ops::synchronize(device);
    const auto start = Clock::now();
    if (request.inference) {
      network.device_chain()->infer(batch.inputs, &spikes);
    } else {
      trainer.step(request.batch_size, i, kLearningRate);
    }
    ops::synchronize(device);
    if (i >= kWarmUp)
      times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  const std::int64_t samples = request.batch_size * (kWarmUp + request.iterations);
  const auto sums = trainer.collect(samples);
  FiringRates rates;
  if (request.inference) {
    const at::Tensor counts = spikes.spikes.to(at::kCPU);
    std::vector<nn::LayerActivity> activity = sums.activity;
    for (std::size_t l = 0; l < activity.size(); ++l) {
      activity[l].spike_count = counts[static_cast<std::int64_t>(l)];
    }
    rates.add(activity);
  } else {
    rates.add(sums.activity);
    result.loss = sums.loss / static_cast<double>(samples);
  }
  result.firing_rates = rates.rates();
  result.peak_device_memory_mb = static_cast<double>(ops::peak_memory(device)) / (1 << 20);
  result.device = ops::describe(device);
  if (!request.inference) add_layers(trainer, request, result);
  std::sort(times.begin(), times.end());
  result.step_ms_min = times.front();
  result.step_ms_max = times.back();
  result.step_ms = median(times);
  result.samples_per_s = 1e3 * static_cast<double>(request.batch_size) / result.step_ms;
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  result.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024.0;
  return result;
}

}  // namespace spikeloom::train
