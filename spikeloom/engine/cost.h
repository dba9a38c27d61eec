#pragma once
#include <cstdint>
#include <string>

namespace spikeloom::engine {

/// How a product was computed.
enum class Path : std::uint8_t {
  kDenseFp32,
  kDenseBf16,
  kEvent,     ///< a row of weights, or of the gradient, for each spike
  kIntegers,  ///< dense, spike counts as integers of 16 bits, and so weights or gradients
};

/// Below how many spikes for each value that comes in (behind pooling by k up to k * k) products are
/// event-driven, and whether those above are products of integers.
struct EventLimits {
  double forward_below = 0.0;
  double gradient_below = 0.0;  ///< of the weights
  /// Share of open surrogate windows below which the gradient of the product's input is computed for those
  /// neurons only.
  double input_gradient_below = 0.0;
  bool integer_currents = false, integer_weight_gradient = false, integer_input_gradient = false;
};

/// What one stage cost in one pass; sums over the slices of a batch.
struct StageCost {
  std::string name;
  Path forward = Path::kDenseFp32;
  Path weight_gradient = Path::kDenseFp32;
  Path input_gradient = Path::kDenseFp32;  ///< kIntegers or not
  bool open_windows_only = false;  ///< the gradient of the product's input was computed at open windows only
  double input_density = 0.0;      ///< fraction of what the product takes that is not 0; if asked for
  double forward_ms = 0.0;         ///< from the spikes that come in to its own
  double backward_ms =
      0.0;  ///< from the gradient of its spikes to that of the spikes that come in; 0 in inference
  std::int64_t saved_bytes = 0;  ///< kept for backward, weights not counted
  EventLimits limits;            ///< in force
  double open_windows = -1.0;    ///< share of open windows of the neurons before it; -1: not looked at
};

/// "dense bf16", "event, gradient dense bf16, open windows".
std::string describe_path(const StageCost& cost);

}  // namespace spikeloom::engine
