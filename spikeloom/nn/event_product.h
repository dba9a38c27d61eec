#pragma once
// The event-driven arithmetic of a layer with weights: products that cost as much as there are spikes.
// Internal to nn.
#include <ATen/core/Tensor.h>

#include <optional>

#include "spikeloom/kernels/event_layer.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::nn {

/// The layer as the event-driven kernels see it, or nothing if they cannot: a convolution of stride 1 that pads
/// less than its kernel, or a fully connected layer on spikes that are not pooled.
std::optional<kernels::EventLayer> event_layer(const kernels::PackedImages& images,
                                               const model::LayerPlan& plan);

/// Which of a layer's products are event-driven. The gradient of its input never is: it has to be known at
/// every neuron whose surrogate is not zero, and those are too many.
struct EventChoice {
  bool forward = false;
  bool weight_gradient = false;
};

/// `spikes_per_input`: spikes that come in, as a fraction of the values that the weights are multiplied with
/// (with pooling by k up to k * k). Depends on nothing that is measured in time, so that the same run takes the
/// same path.
EventChoice choose_event(const model::ComputeSettings& compute, const kernels::EventLayer& layer,
                         double spikes_per_input);

/// Currents [T * N, F, H, W] in channels-last memory, or [T * N, F], from packed spikes; weight and bias (or
/// undefined) float, result of type `dtype`. Weights are rounded to 16 bits, kernels/event_layer.h.
at::Tensor event_current(const kernels::EventLayer& layer, const at::Tensor& spikes, const at::Tensor& weight,
                         const at::Tensor& bias, at::ScalarType dtype);

/// Gradient of the weights, float, in the shape of `weight`, from packed spikes and that of the currents
/// (contiguous as event_current gives them).
at::Tensor event_weight_gradient(const kernels::EventLayer& layer, const at::Tensor& spikes,
                                 const at::Tensor& grad_current, const at::Tensor& weight);

}  // namespace spikeloom::nn
