#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/neunorm_params.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::cuda {

/// The auxiliary map of NeuNorm from packed spikes (eq. 9 of Wu et al. 2019):
///   x[t](n, p) = decay * x[t-1](n, p) + coefficient * sum_c o[t](n, p, c)            x[-1] = 0
/// where o are the spikes, or with after_pooling their averages over pool x pool pixels.
/// spikes [T, packed_bytes] -> x [T, N, P] float, P = H W, or (H / pool)(W / pool) with after_pooling. Equal
/// to reference::neunorm_forward to the last bit (pool a power of 2; else 2 units in the last place of a
/// sum).
void neunorm_scan(const Queue& queue, const PackedImages& images, const NeuNormParams& params,
                  bool after_pooling, const std::uint8_t* spikes, float* x);

/// u of neunorm_backward and how it lies.
struct NeuNormWeights {
  const float* u = nullptr;  ///< [P, C], or [P] with shared_u
  bool shared_u = true;
  bool after_pooling = false;
};

/// Bytes of workspace that neunorm_backward needs.
std::int64_t neunorm_backward_workspace(const PackedImages& images, bool shared_u, bool after_pooling);

/// Gradient of NeuNorm within layer_input. With G[t](n, p', c) the gradient of layer_input's values (behind
/// apply_dropout), p' a pooled pixel and k = images.pool:
///
///   NeuNorm before the pooling. Values are mean_{p in p'} (o(p, c) - u(p, c) x(p)), so the gradient of what
///   NeuNorm returns is g[t](n, p, c) = G[t](n, p', c) / k^2 for the k^2 pixels p of p', and 0 for pixels
///   that are dropped. With the equations of reference/neunorm.h, and all four sums over the pooled gradient
///   as it lies:
///     dx[t](n, p)  = -(1/k^2) sum_c u(p, c) G[t](n, p', c) + decay dx[t+1](n, p)
///     grad_u(p, c) = -(1/k^2) sum_{t,n} x[t](n, p) G[t](n, p', c)        and the sum over c of it when u is
///     shared
///   NeuNorm behind the pooling. g = G, P = pooled pixels: the same with 1/k^2 -> 1 and p = p'.
///
/// gradient [T, N, H / pool, W / pool, C], T = float or BFloat16, x of neunorm_scan -> dx [T, N, P] float,
/// grad_u like u, float. The gradient of the spikes, g + coefficient dx, is not written: compact_lif_backward
/// adds it up while it reads (NeuNormGradient). Sums in float with a fixed tree: differs from
/// reference::neunorm_backward by rounding, 1e-5 of the sum of magnitudes.
template <class T>
void neunorm_backward(const Queue& queue, const PackedImages& images, const NeuNormParams& params,
                      const NeuNormWeights& weights, const T* gradient, const float* x, float* dx,
                      float* grad_u, void* workspace);

}  // namespace spikeloom::kernels::cuda
