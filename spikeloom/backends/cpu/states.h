#pragma once
// What the CPU backend keeps of a stage from forward to backward. Internal to backends/cpu.
#include <memory>

#include "spikeloom/backends/cpu/cpu_backend.h"
#include "spikeloom/kernels/cpu/code_store.h"
#include "spikeloom/kernels/cpu/compact_lif.h"

namespace spikeloom::backends {

struct CpuBackend::ProductState : engine::Kept {
  EventChoice event;
  engine::Buffer pooled;  ///< bits, of a pooling that gives spikes
  std::int64_t pooled_spikes = 0;
  /// Of a normalisation: its input, and mean and variance of the batch, float [channels].
  engine::Buffer normalised_input, mean, variance;
  std::int64_t normalised_rows = 0;  ///< of the product's current: a static input's has one step only

  std::int64_t bytes() const { return pooled.bytes() + normalised_input.bytes(); }
};

struct CpuBackend::NeuronState : engine::Kept {
  kernels::NeuronParams params;  ///< as they were in the forward pass
  /// Compact state; empty where it is not needed.
  engine::Buffer open;                             ///< bytes [T, packed_bytes]: where the surrogate is not 0
  std::unique_ptr<kernels::cpu::CodeStore> codes;  ///< of v_pre there
  engine::Buffer all_codes;  ///< [T, neurons] 16-bit codes, of a surrogate that is nowhere 0
  std::int64_t open_count = 0;
  engine::Buffer v_pre;  ///< exact state: float [T, neurons]

  /// As the kernels take it.
  kernels::cpu::CompactLifState view() const {
    kernels::cpu::CompactLifState state;
    state.open = open.octets();
    state.codes = codes.get();
    state.all_codes = static_cast<std::uint16_t*>(all_codes.data);
    return state;
  }
  std::int64_t bytes() const {
    return open.bytes() + all_codes.bytes() + v_pre.bytes() + (codes ? codes->bytes() : 0);
  }
};

}  // namespace spikeloom::backends
