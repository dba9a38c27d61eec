#include "spikeloom/nn/compact_state.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::nn {

void make_room(const kernels::LifSize& size, CompactLayerState& kept) {
  const auto state = kernels::compact_state(kept.neuron);
  if (state == kernels::CompactState::kTailCode) {
    kept.all_codes = at::empty({size.num_steps, size.neurons}, at::kShort);
    return;
  }
  kept.open = at::empty({size.num_steps, kernels::packed_bytes(size.neurons)}, at::kByte);
  if (state == kernels::CompactState::kWindowBit) return;
  kept.codes = std::make_unique<kernels::cpu::CodeStore>(size.neurons, size.num_steps);
}

kernels::cpu::CompactLifState lif_state(const CompactLayerState& kept) {
  kernels::cpu::CompactLifState state;
  if (kept.open.defined()) state.open = kept.open.data_ptr<std::uint8_t>();
  if (kept.all_codes.defined()) {
    state.all_codes = reinterpret_cast<std::uint16_t*>(kept.all_codes.data_ptr<std::int16_t>());
  }
  state.codes = kept.codes.get();
  return state;
}

std::int64_t saved_bytes(const CompactLayerState& kept) {
  std::int64_t bytes = kept.spikes.numel();
  if (kept.open.defined()) bytes += kept.open.numel();
  if (kept.all_codes.defined()) bytes += kept.all_codes.numel() * kept.all_codes.element_size();
  return bytes + (kept.codes ? kept.codes->bytes() : 0);
}

CompactLayerState join_spikes(const std::vector<CompactState>& parts, std::size_t layer) {
  CompactLayerState whole;
  whole.images = parts.front().layers[layer].images;
  whole.neuron = parts.front().layers[layer].neuron;
  whole.images.batch = 0;
  std::vector<at::Tensor> spikes;
  for (const CompactState& part : parts) {
    const CompactLayerState& kept = part.layers[layer];
    spikes.push_back(kept.spikes);
    whole.images.batch += kept.images.batch;
    whole.spike_count += kept.spike_count;
  }
  whole.spikes = at::cat(spikes, 1);
  return whole;
}

}  // namespace spikeloom::nn
