#include "spikeloom/backends/cpu/event_paths.h"

#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/window_gradient.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::backends {
namespace {

/// Of the output over steps and samples, for Path::kAuto.
constexpr std::int64_t kMinPixels = 1024;
/// With fewer, a spike adds a row that is too short for the time it takes to find it.
constexpr std::int64_t kMinFilters = 64;
/// With fewer, it depends on the machine: they are event-driven where that was measured.
constexpr std::int64_t kMinFiltersUnmeasured = 128;
/// With fewer, vectors of filters are not filled.
constexpr std::int64_t kMinIntegerFilters = 16, kMinIntegerPixels = 256, kMinInferenceFilters = 32;

}  // namespace

std::optional<kernels::EventLayer> event_layer(const kernels::PackedImages& images,
                                               const model::Product& product) {
  kernels::EventLayer layer;
  layer.images = images;
  layer.filters = product.output.channels;
  if (images.pool > kernels::kLargestPool) return std::nullopt;
  if (product.is_convolution()) {
    if (product.stride != 1 || product.padding >= product.kernel) return std::nullopt;
    layer.kernel = product.kernel;
    layer.padding = product.padding;
    return layer;
  }
  if (images.pool != 1) {
    if (images.pooled_height() != images.pooled_width()) return std::nullopt;
    layer.kernel = images.pooled_height();
    return layer;
  }
  // Its columns are in the order of the packed bits.
  layer.images.channels *= images.height * images.width;
  layer.images.height = layer.images.width = 1;
  return layer;
}

engine::EventLimits fixed_limits(const model::ComputeSettings& compute, std::int64_t filters) {
  if (filters < kMinFiltersUnmeasured) return {};
  return {compute.event_forward_below, compute.event_gradient_below, compute.open_windows_below};
}

namespace {

// Fully connected behind pooling: a channel's spikes are few for each tap, and lists of them are short.
bool pooled_to_one_pixel(const kernels::EventLayer& layer) {
  return layer.images.pool > 1 && layer.output_height() == 1 && layer.output_width() == 1;
}

}  // namespace

bool may_be_integers(const kernels::EventLayer& layer) {
  return layer.output_pixels() >= kMinIntegerPixels && layer.filters >= kMinIntegerFilters &&
         kernels::cpu::can_multiply_integers(layer);
}

bool may_be_event(const kernels::EventLayer& layer) {
  // The weights are put into another order each time: that has to be spread over enough pixels.
  return layer.output_pixels() >= kMinPixels && layer.filters >= kMinFilters && !pooled_to_one_pixel(layer);
}

EventChoice choose_event(const model::ComputeSettings& compute, const engine::EventLimits& limits,
                         const kernels::EventLayer& layer, double spikes_per_input) {
  switch (compute.path) {
    case model::Path::kDense:
      return {};
    case model::Path::kEvent:
      if (pooled_to_one_pixel(layer)) return {};
      return {EventChoice::kLists, EventChoice::kLists};
    case model::Path::kAuto:
      break;
  }
  // A weight's error, largest of the filter / 2046 at most, is like bfloat16's, |weight| / 512: below it for
  // the large ones, above for those below a quarter of the largest. Beside float it is a loss.
  const bool may_round = compute.precision == model::Precision::kBf16;
  const bool events = may_be_event(layer), integers = may_round && may_be_integers(layer);
  EventChoice choice;
  if (integers && limits.integer_currents) choice.forward = EventChoice::kIntegers;
  if (integers && limits.integer_weight_gradient) choice.weight_gradient = EventChoice::kIntegers;
  if (events && may_round && spikes_per_input < limits.forward_below) choice.forward = EventChoice::kLists;
  if (events && spikes_per_input < limits.gradient_below) choice.weight_gradient = EventChoice::kLists;
  return choice;
}

bool inference_is_event(const model::ComputeSettings& compute, const model::Product& product, bool pooled) {
  if (compute.path != model::Path::kAuto) {
    return compute.path == model::Path::kEvent && (product.is_convolution() || !pooled);
  }
  return compute.precision == model::Precision::kBf16 && compute.event_forward_below > 0.0 &&
         product.is_convolution() && product.output.channels >= kMinInferenceFilters;
}

EventChoice::Kind inference_kind(const engine::EventLimits& limits, const kernels::EventLayer& layer,
                                 double spikes_per_input) {
  if (spikes_per_input < limits.forward_below || layer.output_pixels() < kMinIntegerPixels) {
    return EventChoice::kLists;
  }
  return kernels::cpu::can_multiply_integers(layer) ? EventChoice::kIntegers : EventChoice::kLists;
}

bool can_skip_closed_windows(const kernels::EventLayer& layer, const kernels::NeuronParams& before,
                             engine::Type type) {
  return kernels::compact_state(before) != kernels::CompactState::kTailCode &&
         type == engine::Type::kBFloat16 && kernels::cpu::can_skip_closed_windows(layer);
}

kernels::WeightStrides weight_strides(const model::Product& product) {
  if (!product.is_convolution()) return {product.input.size(), product.input.channels, 1};
  const std::int64_t taps = std::int64_t{product.kernel} * product.kernel;
  return {taps * product.input.channels, product.input.channels, 1};
}

}  // namespace spikeloom::backends
