#pragma once
// How dense the spikes may be before dense arithmetic is faster, measured. Internal to nn.
#include <ATen/core/Tensor.h>

#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/model/settings.h"
#include "spikeloom/nn/event_product.h"

namespace spikeloom::nn {

/// Times both arithmetics of a layer on random spikes of two densities, the event-driven one taken as linear
/// in their number, for as many samples of the batch as some 10 billion multiplications need. `images`: what
/// comes in; `dtype`: of the dense products. The layer must be one that event_layer knows.
EventLimits measure_event_limits(const model::ComputeSettings& compute, const kernels::PackedImages& images,
                                 const model::LayerPlan& plan, const at::Tensor& weight, at::ScalarType dtype,
                                 const kernels::NeuronParams& neurons_before);

}  // namespace spikeloom::nn
