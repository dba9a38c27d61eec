#include "spikeloom/model/memory_estimate.h"

#include <algorithm>

#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::model {
namespace {

constexpr double kFloat = 4.0;
constexpr double kMega = 1e6;  // working_set_mb

std::int64_t bytes(double count) { return static_cast<std::int64_t>(std::min(count, 0x1p60)); }

/// As nn::CompactChain::supports() says.
bool runs_compact(const NetworkSettings& settings) {
  return settings.kind == NetworkKind::kSpiking && settings.compute.state == StateMode::kCompact &&
         !settings.learn_decay && !settings.learn_v_threshold;
}

/// Bytes that are kept for each output of a layer at each step.
double kept_bytes(const LayerPlan& layer, const NetworkSettings& settings) {
  if (runs_compact(settings)) {
    if (!layer.spec.has_weights()) return 0.0;  // pooling and NeuNorm are computed again
    const double bit = 1.0 / 8.0;               // a spike or a window
    const auto state = kernels::compact_state(settings.neuron);
    if (state == kernels::CompactState::kWindowBit) return bit + bit;
    const auto code = static_cast<double>(kernels::code_bytes(state));
    // A surrogate that closes keeps codes of open windows only, and a bit that says where they are.
    return state == kernels::CompactState::kOpenCode ? bit + bit + code : bit + code;
  }
  // Autograd keeps the products' outputs, the membrane potential and the spikes; of a pooling its output.
  if (!layer.spec.has_weights()) return kFloat;
  const double neuron = settings.kind == NetworkKind::kAnn ? 2.0 * kFloat : 3.0 * kFloat;
  return neuron + (layer.dropout_before ? kFloat : 0.0) + (layer.neunorm_after ? 2.0 * kFloat : 0.0);
}

/// What a layer needs for a moment: its input and output as floats, and with training their gradients.
double working_bytes(const LayerPlan& layer, const NetworkSettings& settings, const MemoryUse& use,
                     double steps, bool is_first) {
  // Spikes are pooled as bits: only the next layer's input is made of floats.
  if (!layer.spec.has_weights() && runs_compact(settings)) return 0.0;
  const double input_steps = is_first && use.static_input ? 1.0 : steps;
  const auto in = static_cast<double>(layer.input.size()), out = static_cast<double>(layer.output.size());
  auto samples = static_cast<double>(use.batch_size);
  const double limit = settings.compute.working_set_mb * kMega;
  const bool convolution = layer.spec.kind == LayerKind::kConvolution;
  if (convolution && runs_compact(settings) && limit > 0.0) {
    const double currents = out * steps * samples * kFloat;
    if (currents > 2.0 * limit) samples = std::max(1.0, samples * limit / currents);
  }
  const double copies = use.training ? 2.0 : 1.0;
  return samples * copies * kFloat * (in * input_steps + out * steps);
}

}  // namespace

MemoryEstimate estimate_memory(const NetworkPlan& plan, const NetworkSettings& settings,
                               const MemoryUse& use) {
  constexpr double kLibrary = 250e6;  // LibTorch and its libraries once they compute, measured: 170 to 280 MB
  const double weights = kFloat * static_cast<double>(plan.parameters());
  const double copies = settings.compute.precision == Precision::kBf16 ? 0.5 * weights : 0.0;
  const double steps = settings.kind == NetworkKind::kAnn ? 1.0 : settings.num_steps;
  const auto batch = static_cast<double>(use.batch_size);
  double kept = 0.0, working = 0.0;
  bool is_first = true;
  for (const LayerPlan& layer : plan.layers) {
    const double outputs = static_cast<double>(layer.output.size()) * steps * batch;
    if (use.training) kept += outputs * kept_bytes(layer, settings);
    working = std::max(working, working_bytes(layer, settings, use, steps, is_first));
    is_first = false;
  }
  MemoryEstimate estimate;
  const double gradients = use.training ? weights : 0.0;
  const double moments = use.training ? weights * use.moments : 0.0;
  estimate.parameters = bytes(weights + copies);
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
