#pragma once
#include <ATen/core/Tensor.h>

#include "spikeloom/nn/compact_chain.h"

namespace spikeloom::nn {

/// input [T or 1, N, C, H, W] float -> spikes of the last layer [T, N, neurons], one node of LibTorch's graph
/// for the whole chain: its backward pass computes every parameter's gradient from the compact state. The
/// input gets no gradient. Saved for backward: the input, the spikes and codes of every layer, weights in
/// bfloat16 where products are. Not differentiable twice.
at::Tensor compact_forward(const CompactChain& chain, const at::Tensor& input, const ForwardOptions& options);

}  // namespace spikeloom::nn
