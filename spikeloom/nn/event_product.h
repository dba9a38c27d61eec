#pragma once
// The event-driven arithmetic of a layer with weights: products that cost as much as there are spikes.
// Internal to nn.
#include <ATen/core/Tensor.h>

#include <optional>

#include "spikeloom/kernels/event_layer.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::nn {

/// The layer as the event-driven kernels see it, or nothing if they cannot: a convolution of stride 1 that
/// pads less than its kernel, or a fully connected layer on spikes that are not pooled.
std::optional<kernels::EventLayer> event_layer(const kernels::PackedImages& images,
                                               const model::LayerPlan& plan);

/// Which of a layer's products are event-driven.
struct EventChoice {
  bool forward = false;
  bool weight_gradient = false;
};

/// Spikes that come in, as a fraction of the values that the weights are multiplied with (with pooling by k
/// up to k * k), below which the products of a layer are event-driven.
struct EventLimits {
  double forward_below = 0.0;
  double gradient_below = 0.0;
  /// Share of open surrogate windows below which the gradient of its input is computed for those neurons
  /// only.
  double input_gradient_below = 0.0;
};

/// Those that the settings fix, for every layer of as many filters as pay on any machine; 0 for narrower
/// ones.
EventLimits fixed_limits(const model::ComputeSettings& compute, std::int64_t filters);

/// Whether Path::kAuto considers the layer at all: it has filters and output pixels enough.
bool may_be_event(const kernels::EventLayer& layer);

/// The paths of a layer at a density of spikes. Depends on nothing that is measured in time but the limits.
EventChoice choose_event(const model::ComputeSettings& compute, const EventLimits& limits,
                         const kernels::EventLayer& layer, double spikes_per_input);

/// The same in inference, where only the settings and the layer count, so that the votes for a sample do not
/// depend on what else is in its batch or on the machine: kAuto is event-driven for convolutions of as many
/// filters as pay on any machine, with Precision::kBf16 and compute.event_forward_below above 0.
bool inference_is_event(const model::ComputeSettings& compute, const model::LayerPlan& plan);

/// Weights [F, C, k, k] or [F, C], float, rounded to 1023 steps from 0 to the largest of a filter
/// (kernels/event_layer.h).
kernels::FixedPointWeights fixed_weights(const kernels::EventLayer& layer, const at::Tensor& weight);

/// Currents [T * N, F, H, W] in channels-last memory of a convolution, or [T * N, F], from packed spikes;
/// bias (or undefined) float, result of type `dtype`.
at::Tensor event_current(const kernels::EventLayer& layer, const at::Tensor& spikes,
                         const kernels::FixedPointWeights& weights, const at::Tensor& bias, bool convolution,
                         at::ScalarType dtype);

/// Gradient of the weights, float, in the shape of `weight`, from packed spikes and that of the currents
/// (contiguous as event_current gives them).
at::Tensor event_weight_gradient(const kernels::EventLayer& layer, const at::Tensor& spikes,
                                 const at::Tensor& grad_current, const at::Tensor& weight);

/// Whether the gradient of a convolution's input can be computed at open windows only: not behind pooling,
/// where the surrogate of the neurons before it is nowhere 0, in another type than bfloat16, or without its
/// products.
bool can_skip_closed_windows(const kernels::EventLayer& layer, const kernels::NeuronParams& neuron,
                             at::ScalarType dtype);

/// Gradient of a convolution's input, bfloat16 [T * N, C, H, W] in channels-last memory, 0 where windows are
/// closed; weight bfloat16 [F, C, k, k].
at::Tensor window_gradient(const kernels::EventLayer& layer, const at::Tensor& open,
                           const at::Tensor& grad_current, const at::Tensor& weight);

}  // namespace spikeloom::nn
