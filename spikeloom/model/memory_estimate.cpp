#include "spikeloom/model/memory_estimate.h"

#include <algorithm>
#include <vector>

#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::model {
namespace {

constexpr double kFloat = 4.0, kBfloat = 2.0;
constexpr double kBit = 1.0 / 8.0;
constexpr double kMega = 1e6;  // working_set_mb

std::int64_t bytes(double count) { return static_cast<std::int64_t>(std::min(count, 0x1p60)); }

/// Whether the estimate is that of compact state.
bool runs_compact(const NetworkSettings& settings) {
  return settings.kind == NetworkKind::kSpiking && settings.compute.state == StateMode::kCompact;
}

/// Of a membrane potential and its spike.
double neuron_bytes(const NetworkSettings& settings) {
  if (settings.kind != NetworkKind::kSpiking) return kFloat;
  if (!runs_compact(settings)) return kFloat + kBit;
  const auto state = kernels::compact_state(settings.neuron);
  if (state == kernels::CompactState::kWindowBit) return kBit + kBit;
  const auto code = static_cast<double>(kernels::code_bytes(state));
  // A surrogate that closes keeps codes of open windows only, and a bit that says where they are.
  return state == kernels::CompactState::kOpenCode ? kBit + kBit + code : kBit + code;
}

/// Bytes that are kept for each output of a layer at each step.
double kept_bytes(const LayerPlan& layer, const NetworkSettings& settings) {
  if (!layer.spec.has_weights()) return 0.0;  // pooling, sums of spikes and NeuNorm are computed again
  // In the format in which the product gave it.
  const bool half = runs_compact(settings) && settings.compute.precision == Precision::kBf16;
  const double current = layer.keeps_current() ? (half ? kBfloat : kFloat) : 0.0;
  return current + (layer.has_neurons ? neuron_bytes(settings) : 0.0);
}

/// Values a step of the currents that wait at each layer for a later one that adds them; in the backward pass
/// their gradients wait there.
std::vector<double> waiting_currents(const NetworkPlan& plan) {
  std::vector<double> waiting(plan.layers.size(), 0.0);
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    for (const int shortcut : plan.layers[i].shortcuts) {
      const auto from = static_cast<std::size_t>(shortcut);
      const auto values = static_cast<double>(plan.layers[from].output.size());
      for (std::size_t layer = from + 1; layer <= i; ++layer) waiting[layer] += values;
    }
  }
  return waiting;
}

/// What a layer needs for a moment: its input and output as floats, with training their gradients, and what
/// waits meanwhile.
double working_bytes(const LayerPlan& layer, const NetworkSettings& settings, const MemoryUse& use,
                     double steps, double waiting) {
  // Spikes are pooled as bits: only the next layer's input is made of floats.
  if (!layer.spec.has_weights() && runs_compact(settings)) return 0.0;
  const bool reads_input = !layer.sources.empty() && layer.sources.front().layer == kInput;
  const double input_steps = reads_input && use.static_input ? 1.0 : steps;
  const auto in = static_cast<double>(layer.input.size()), out = static_cast<double>(layer.output.size());
  auto samples = static_cast<double>(use.batch_size);
  const double limit = settings.compute.working_set_mb * kMega;
  const bool convolution = layer.spec.kind == LayerKind::kConvolution;
  if (convolution && runs_compact(settings) && limit > 0.0) {
    const double currents = out * steps * samples * kFloat;
    if (currents > 2.0 * limit) samples = std::max(1.0, samples * limit / currents);
  }
  const double copies = use.training ? 2.0 : 1.0;
  return samples * kFloat * (copies * (in * input_steps + out * steps) + waiting * steps);
}

}  // namespace

MemoryEstimate estimate_memory(const NetworkPlan& plan, const NetworkSettings& settings,
                               const MemoryUse& use) {
  constexpr double kLibrary = 250e6;  // LibTorch and its libraries once they compute, measured: 170 to 280 MB
  const double weights = kFloat * static_cast<double>(plan.parameters());
  const double copies = settings.compute.precision == Precision::kBf16 ? 0.5 * weights : 0.0;
  const double steps = settings.kind == NetworkKind::kAnn ? 1.0 : settings.num_steps;
  const auto batch = static_cast<double>(use.batch_size);
  const std::vector<double> waiting = waiting_currents(plan);
  double kept = 0.0, working = 0.0, statistics = 0.0;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerPlan& layer = plan.layers[i];
    const double outputs = static_cast<double>(layer.output.size()) * steps * batch;
    if (use.training) kept += outputs * kept_bytes(layer, settings);
    working = std::max(working, working_bytes(layer, settings, use, steps, waiting[i]));
    statistics += kFloat * static_cast<double>(layer.statistics);
  }
  MemoryEstimate estimate;
  const double gradients = use.training ? weights : 0.0;
  const double moments = use.training ? weights * use.moments : 0.0;
  estimate.parameters = bytes(weights + copies + statistics);
  estimate.gradients = bytes(gradients);
  estimate.optimizer = bytes(moments);
  estimate.kept_state = bytes(kept);
  estimate.working_set = bytes(working);
  const double input_steps = use.static_input ? 1.0 : settings.num_steps;
  estimate.inputs =
      bytes(kFloat * static_cast<double>(plan.input.size()) * input_steps * batch * use.loader_batches);
  estimate.libraries = bytes(kLibrary);
  estimate.certain = bytes(weights + gradients + moments);
  return estimate;
}

}  // namespace spikeloom::model
