#pragma once
// What the compact chain keeps from forward to backward. Internal to nn.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/kernels/cpu/code_store.h"
#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/nn/event_product.h"
#include "spikeloom/nn/network.h"

namespace spikeloom::nn {

/// Of one layer.
struct CompactLayerState {
  kernels::NeuronParams neuron;  ///< as they were in the forward pass
  kernels::PackedImages images;  ///< of its spikes, with the pooling behind them if it is fused
  bool static_input = false;
  at::Tensor spikes;  ///< uint8 [T, packed_bytes]
  /// What the neurons kept for backward, undefined or null where it is not needed and in inference.
  at::Tensor open;                                 ///< uint8 [T, packed_bytes]: where the surrogate is not 0
  std::unique_ptr<kernels::cpu::CodeStore> codes;  ///< of v_pre there
  at::Tensor all_codes;  ///< int16 [T, neurons], 16 unsigned bits each, for a surrogate that is nowhere 0
  std::int64_t open_count = 0;
  /// The layer's weights in the precision of the products, and fixed-point ones for event-driven currents:
  /// where they are needed. Parts of a batch share them.
  at::Tensor weight;
  std::shared_ptr<const kernels::FixedPointWeights> fixed;
  std::int64_t spike_count = 0;
  EventChoice event;  ///< of its products with the spikes of the layer before
};

/// Of some samples that run together.
struct CompactState {
  at::Tensor input;  ///< [T or 1, N, C, H, W]
  ForwardOptions options;
  std::vector<CompactLayerState> layers;
  /// Which samples of which batch these are.
  std::int64_t first_sample = 0, whole_batch = 0;
  /// The leading convolutions of a large batch, some samples at a time; the last of these layers is in
  /// `layers` too, with the spikes of all parts.
  std::vector<CompactState> parts;
};

/// Room for what the neurons of a layer keep for backward.
void make_room(const kernels::LifSize& size, CompactLayerState& kept);

/// The same as the neurons' kernels take it.
kernels::cpu::CompactLifState lif_state(const CompactLayerState& kept);

/// Bytes that are held for backward, weights not counted.
std::int64_t saved_bytes(const CompactLayerState& kept);

/// A layer's spikes over all parts, in order of the samples. A sample's neurons must be a multiple of 64.
CompactLayerState join_spikes(const std::vector<CompactState>& parts, std::size_t layer);

}  // namespace spikeloom::nn
