#pragma once
#include <cstdint>

#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// State of all neurons.
struct NeuronState {
  float* synapse;  ///< i of the step before, then of this one; null: without has_synapses()
  float* v;        ///< after the reset
  float* v_pre;    ///< v before the reset; null: not wanted
};

/// Whether i[t] is not simply x[t].
bool has_synapses(const Neurons& neurons);

/// One step of spiking neurons [first, first + count): current [count] in, packed spikes of all neurons
/// (kernels/packed_spikes.h) out. `first` is a multiple of 8, and so is `count` unless they are the last
/// ones. Each operation is rounded by itself, so that the bits are the same on every machine and at every
/// SIMD level. Returns the number of spikes. Never throws.
std::int64_t fire(const Neurons& neurons, std::int64_t first, std::int64_t count, const float* current,
                  bool rounds, const NeuronState& state, std::uint8_t* spikes);

/// To bfloat16 and back.
void round_to_bfloat16(float* values, std::int64_t count);

}  // namespace spikeloom::runtime
