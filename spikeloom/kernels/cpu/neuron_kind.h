#pragma once
#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::kernels::cpu {

/// The neurons that vectors are written for, and the general one that they are special cases of: it has every
/// reset, a synaptic current, and the gradients of decay and v_threshold.
enum class Neuron { kToZero, kSubtract, kGeneral };

inline Neuron neuron_kind(const NeuronParams& params) {
  if (!is_plain(params)) return Neuron::kGeneral;
  return params.reset == Reset::kZero ? Neuron::kToZero : Neuron::kSubtract;
}

}  // namespace spikeloom::kernels::cpu
