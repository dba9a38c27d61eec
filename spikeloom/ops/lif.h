#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::ops {

struct LifResult {
  at::Tensor spikes;       ///< [T, N, ...], 0 or 1, dtype and memory order of the input
  at::Tensor spike_count;  ///< int64 scalar: number of spikes, for firing rates; no gradient
};

/// Iterative leaky integrate-and-fire neurons over all T steps at once.
///
///     i[t]      = current_decay * i[t-1] + input[t],  i[-1] = 0                (current_decay 0: i = input)
///     v_pre[t]  = decay * v[t-1] + i[t],  v[-1] = 0                                           (eq. 5)
///     spikes[t] = 1 if v_pre[t] >= v_threshold else 0                                         (eq. 6)
///     v[t]      = v_pre[t] (1 - spikes[t]) + v_reset spikes[t],  v_pre[t] - v_threshold spikes[t]  or
///     v_pre[t]
///
/// input        [T, N, ...] float or double, CPU, any strides; or [1, N, ...] with num_steps > 1: a static
/// input,
///              the same at every step, whose gradient is summed over the steps.
/// decay, v_threshold  scalars (0-dimensional, double, CPU); may require a gradient.
/// num_steps    T >= 1, equal to input.size(0) unless the input is static.
/// params       surrogate, its width, reset, v_reset, current_decay, detach_reset, smooth; its decay and
/// v_threshold are not read.
/// Saved for backward: v_pre and spikes (the latter shared with whoever consumes them): at most 8 bytes a
/// neuron and step in float. Gradient: surrogate for the spike, exact for everything else, reset path
/// included unless params.detach_reset. No double backward. Throws ShapeError and DeviceError naming the
/// argument. Deterministic for a fixed number of threads. Source: Wu et al. 2019, eq. 5, 6, 14; the recursion
/// of the gradient is derived in kernels/reference/lif.h. Registered as spikeloom::lif,
/// spikeloom::lif_forward and spikeloom::lif_backward.
LifResult lif(const at::Tensor& input, const at::Tensor& decay, const at::Tensor& v_threshold,
              std::int64_t num_steps, const kernels::NeuronParams& params);

}  // namespace spikeloom::ops
