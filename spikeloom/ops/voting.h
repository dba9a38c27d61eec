#pragma once
#include <ATen/core/Tensor.h>

namespace spikeloom::ops {

/// Population voting with a constant matrix M: each voting neuron belongs to one class.
///
///     votes[n, k] = (1/T) sum_t sum_p M[k, p] spikes[t, n, p],   M[k, p] = [class_of[p] = k] / #{q:
///     class_of[q] = k}
///
/// spikes    [T, N, P] float or double, CPU.
/// class_of  [P] int32, CPU, values 0 ... num_classes - 1.
/// Returns votes [N, num_classes], each in [0, 1] for spikes: the mean firing rate of the class's neurons.
/// Saved for backward: class_of. Gradient exact. Throws ShapeError, DeviceError. Deterministic.
/// Source: Wu et al. 2019, voting layer and eq. 11. Registered as spikeloom::voting and
/// spikeloom::voting_backward.
at::Tensor voting(const at::Tensor& spikes, const at::Tensor& class_of, std::int64_t num_classes);

}  // namespace spikeloom::ops
