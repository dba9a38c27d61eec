#pragma once
// Which products of a stage are event-driven: cost as much as there are spikes.
#include <cstdint>
#include <optional>

#include "spikeloom/engine/buffer.h"
#include "spikeloom/engine/cost.h"
#include "spikeloom/kernels/event_layer.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/model/program.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::backends {

/// The product as the event-driven kernels see it, or nothing if they cannot: a convolution of stride 1 that
/// pads less than its kernel, or a fully connected product of spikes that are not pooled, or of square pooled
/// images: a convolution of a kernel as large as they are. images: with the pooling that the product reads
/// them through.
std::optional<kernels::EventLayer> event_layer(const kernels::PackedImages& images,
                                               const model::Product& product);

/// How the product and the gradient of its weights are computed.
struct EventChoice {
  enum Kind : std::uint8_t {
    kDense,
    kLists,    ///< event-driven
    kIntegers  ///< dense, in integers; currents equal those of kLists
  };
  Kind forward = kDense;
  Kind weight_gradient = kDense;
};

/// The limits that the settings fix, for every product of as many filters as pay on any machine; 0 for
/// narrower ones.
engine::EventLimits fixed_limits(const model::ComputeSettings& compute, std::int64_t filters);

/// Whether Path::kAuto considers event-driven products: it has filters and output pixels enough.
bool may_be_event(const kernels::EventLayer& layer);

/// Whether it considers products of integers.
bool may_be_integers(const kernels::EventLayer& layer);

/// The paths of a product at a density of spikes. Depends on nothing that is measured in time but the limits.
EventChoice choose_event(const model::ComputeSettings& compute, const engine::EventLimits& limits,
                         const kernels::EventLayer& layer, double spikes_per_input);

/// Whether the weights of a product are rounded to integers in inference, where only the settings and the
/// product count, so that the votes for a sample do not depend on what else is in its batch or on the
/// machine: in kAuto for convolutions of 32 filters and more, with Precision::kBf16 and
/// compute.event_forward_below above 0. Lists and integers give the same bits.
bool inference_is_event(const model::ComputeSettings& compute, const model::Product& product, bool pooled);

/// Lists or integers, whichever is likely to be faster.
EventChoice::Kind inference_kind(const engine::EventLimits& limits, const kernels::EventLayer& layer,
                                 double spikes_per_input);

/// Whether the gradient of a convolution's input can be computed at open windows only: not behind pooling,
/// where the surrogate of the neurons before it is nowhere 0, in another type than bfloat16, or without its
/// products.
bool can_skip_closed_windows(const kernels::EventLayer& layer, const kernels::NeuronParams& before,
                             engine::Type type);

/// How the weights of a product lie.
kernels::WeightStrides weight_strides(const model::Product& product);

}  // namespace spikeloom::backends
