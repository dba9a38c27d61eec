#pragma once
#include <ATen/core/Tensor.h>

namespace spikeloom::ops {

/// NeuNorm: an auxiliary neuron map per layer, fed by all feature maps, is subtracted from each of them.
///
///     x[t](i, j)        = decay x[t-1](i, j) + coefficient sum_f spikes_f[t](i, j),  x[-1] = 0      (eq. 9)
///     output_c[t](i, j) = spikes_c[t](i, j) - U_c(i, j) x[t](i, j)                                  (eq. 10)
///
/// spikes       [T, N, C, H, W] float or double, CPU.
/// u            U, [C, H, W] or [1, H, W] (shared by all maps), dtype of the spikes.
/// decay        k_tau2 in [0, 1).
/// coefficient  of the sum: kernels::neunorm_coefficient.
/// Returns [T, N, C, H, W], channels last in memory. Saved for backward: x (T N H W values) and u.
/// Gradient exact, through time. Throws ShapeError, DeviceError. Deterministic for a fixed number of threads.
/// Source: Wu et al. 2019, eq. 9 and 10. Registered as spikeloom::neunorm, neunorm_forward and
/// neunorm_backward.
at::Tensor neunorm(const at::Tensor& spikes, const at::Tensor& u, double decay, double coefficient);

}  // namespace spikeloom::ops
