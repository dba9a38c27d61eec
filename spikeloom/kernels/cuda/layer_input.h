#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/dropout.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::cuda {

/// What NeuNorm subtracts from the spikes: u(p, c) * x[t](n, p).
struct NeuNormInput {
  const float* x =
      nullptr;  ///< [T, N, P] of neunorm_scan; P pixels before pooling, or behind it with after_pooling
  const float* u = nullptr;  ///< [P, C], or [P] with shared_u
  bool shared_u = true;
  bool after_pooling = false;
};

/// What a layer multiplies its weights with, from the packed spikes of the layer before, in one pass:
///   packed spikes -> (- u x) -> average over pool x pool pixels -> (- u x, with after_pooling) -> dropout ->
///   values
/// spikes [T, packed_bytes], images of those spikes -> values [T, N, H / pool, W / pool, C], T = float or
/// BFloat16. neunorm and dropout: nullptr = none; the structs are the host's and read at once. Elements of
/// the dropout: over [N, H / pool, W / pool, C]. Arithmetic in float, rounded once; for T = float equal to
/// the last bit to reference::unpack_spikes, neunorm_forward, avg_pool_forward and dropout_apply one after
/// the other. Its gradient is apply_dropout (the same draw), then neunorm_backward; compact_lif_backward does
/// the pooling.
template <class T>
void layer_input(const Queue& queue, const PackedImages& images, const std::uint8_t* spikes,
                 const NeuNormInput* neunorm, const DropoutDraw* dropout, T* values);

}  // namespace spikeloom::kernels::cuda
