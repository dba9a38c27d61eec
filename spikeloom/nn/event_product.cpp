#include "spikeloom/nn/event_product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/window_gradient.h"
#include "spikeloom/kernels/v_pre_code.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

using kernels::BFloat16;

/// Of the output over steps and samples, for Path::kAuto.
constexpr std::int64_t kMinPixels = 1024;
/// With fewer, a spike adds a row that is too short for the time it takes to find it.
constexpr std::int64_t kMinFilters = 64;
/// With fewer, it depends on the machine: they are event-driven where that was measured.
constexpr std::int64_t kMinFiltersUnmeasured = 128;

bool is_convolution(const at::Tensor& weight) { return weight.dim() == 4; }

// Of weights [F, C, k, k] or [F, C].
kernels::WeightStrides strides_of(const at::Tensor& weight, const kernels::EventLayer& layer) {
  if (!is_convolution(weight)) return {weight.stride(0), layer.images.channels, weight.stride(1)};
  // Taps are counted along rows of the kernel: one stride for all where the rows follow each other.
  return {weight.stride(0), weight.stride(3), weight.stride(1)};
}

// Weights whose taps lie at equal distances, as contiguous and channels-last ones do.
bool has_even_taps(const at::Tensor& weight) {
  return !is_convolution(weight) || weight.stride(2) == weight.size(3) * weight.stride(3);
}

}  // namespace

std::optional<kernels::EventLayer> event_layer(const kernels::PackedImages& images,
                                               const model::LayerPlan& plan) {
  kernels::EventLayer layer;
  layer.images = images;
  layer.filters = plan.output.channels;
  if (images.pool > kernels::kLargestPool) return std::nullopt;
  if (plan.spec.kind == model::LayerKind::kConvolution) {
    if (plan.spec.stride != 1 || plan.spec.padding >= plan.spec.kernel) return std::nullopt;
    layer.kernel = plan.spec.kernel;
    layer.padding = plan.spec.padding;
    return layer;
  }
  if (images.pool != 1) return std::nullopt;
  // Its columns are in the order of the packed bits.
  layer.images.channels *= images.height * images.width;
  layer.images.height = layer.images.width = 1;
  return layer;
}

EventLimits fixed_limits(const model::ComputeSettings& compute, std::int64_t filters) {
  if (filters < kMinFiltersUnmeasured) return {};
  return {compute.event_forward_below, compute.event_gradient_below, compute.open_windows_below};
}

bool may_be_event(const kernels::EventLayer& layer) {
  // The weights are put into another order each time: that has to be spread over enough pixels.
  return layer.output_pixels() >= kMinPixels && layer.filters >= kMinFilters;
}

EventChoice choose_event(const model::ComputeSettings& compute, const EventLimits& limits,
                         const kernels::EventLayer& layer, double spikes_per_input) {
  switch (compute.path) {
    case model::Path::kDense:
      return {false, false};
    case model::Path::kEvent:
      return {true, true};
    case model::Path::kAuto:
      break;
  }
  if (!may_be_event(layer)) return {false, false};
  // A weight's error, largest of the filter / 2046 at most, is like bfloat16's, |weight| / 512: below it for
  // the large ones, above for those below a quarter of the largest. Beside float it is a loss.
  const bool may_round = compute.precision == model::Precision::kBf16;
  return {may_round && spikes_per_input < limits.forward_below, spikes_per_input < limits.gradient_below};
}

bool inference_is_event(const model::ComputeSettings& compute, const model::LayerPlan& plan) {
  if (compute.path != model::Path::kAuto) return compute.path == model::Path::kEvent;
  return compute.precision == model::Precision::kBf16 && compute.event_forward_below > 0.0 &&
         plan.spec.kind == model::LayerKind::kConvolution && plan.output.channels >= kMinFiltersUnmeasured;
}

kernels::FixedPointWeights fixed_weights(const kernels::EventLayer& layer, const at::Tensor& weight) {
  const at::Tensor values = has_even_taps(weight) ? weight.detach() : weight.detach().contiguous();
  return kernels::cpu::fixed_point_weights(layer, values.data_ptr<float>(), strides_of(values, layer));
}

at::Tensor event_current(const kernels::EventLayer& layer, const at::Tensor& spikes,
                         const kernels::FixedPointWeights& fixed, const at::Tensor& bias, bool convolution,
                         at::ScalarType dtype) {
  const std::int64_t images = layer.images.num_steps * layer.images.batch;
  const at::Tensor current = convolution
                                 ? ops::empty_channels_last({images}, layer.filters, layer.output_height(),
                                                            layer.output_width(), at::TensorOptions(dtype))
                                 : at::empty({images, layer.filters}, dtype);
  const at::Tensor offsets = bias.defined() ? bias.to(at::kFloat).contiguous() : at::Tensor();
  const float* const bias_values = bias.defined() ? offsets.data_ptr<float>() : nullptr;
  const auto* const bits = spikes.data_ptr<std::uint8_t>();
  if (dtype == at::kBFloat16) {
    kernels::cpu::event_forward(layer, bits, fixed, bias_values, static_cast<BFloat16*>(current.data_ptr()));
  } else {
    kernels::cpu::event_forward(layer, bits, fixed, bias_values, current.data_ptr<float>());
  }
  return current;
}

at::Tensor event_weight_gradient(const kernels::EventLayer& layer, const at::Tensor& spikes,
                                 const at::Tensor& grad_current, const at::Tensor& weight) {
  const at::Tensor gradient = has_even_taps(weight)
                                  ? at::empty_like(weight, at::kFloat)
                                  : at::empty(weight.sizes(), at::TensorOptions(at::kFloat));
  const kernels::WeightStrides strides = strides_of(gradient, layer);
  const auto* const bits = spikes.data_ptr<std::uint8_t>();
  auto* const to = gradient.data_ptr<float>();
  if (grad_current.scalar_type() == at::kBFloat16) {
    const auto* const from = static_cast<const BFloat16*>(grad_current.data_ptr());
    kernels::cpu::event_weight_gradient(layer, bits, from, to, strides);
  } else {
    kernels::cpu::event_weight_gradient(layer, bits, grad_current.data_ptr<float>(), to, strides);
  }
  return gradient;
}

bool can_skip_closed_windows(const kernels::EventLayer& layer, const kernels::NeuronParams& neuron,
                             at::ScalarType dtype) {
  return kernels::closes(neuron.surrogate) && dtype == at::kBFloat16 &&
         kernels::cpu::can_skip_closed_windows(layer);
}

at::Tensor window_gradient(const kernels::EventLayer& layer, const at::Tensor& open,
                           const at::Tensor& grad_current, const at::Tensor& weight) {
  const kernels::PackedImages& images = layer.images;
  const at::Tensor values = has_even_taps(weight) ? weight : weight.contiguous();
  const at::Tensor gradient =
      ops::empty_channels_last({images.num_steps * images.batch}, images.channels, images.height,
                               images.width, at::TensorOptions(at::kBFloat16));
  kernels::cpu::window_gradient(layer, open.data_ptr<std::uint8_t>(),
                                static_cast<const BFloat16*>(grad_current.data_ptr()),
                                static_cast<const BFloat16*>(values.data_ptr()), strides_of(values, layer),
                                static_cast<BFloat16*>(gradient.data_ptr()));
  return gradient;
}

}  // namespace spikeloom::nn
