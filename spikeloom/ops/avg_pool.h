#pragma once
#include <ATen/core/Tensor.h>

namespace spikeloom::ops {

/// Average pooling with stride = kernel size.
///
///     output[.., c, i, j] = (1 / k^2) sum_{a, b < k} input[.., c, k i + a, k j + b]
///
/// input   [..., C, H, W] float or double, CPU. Returns [..., C, H / k, W / k] (floor: rows and columns left
/// over
///         are not read and get gradient 0), channels last in memory.
/// kernel  k >= 1, at most H and W.
/// Saved for backward: nothing but sizes. Gradient exact. Throws ShapeError, DeviceError. Deterministic.
/// Source: the "AP2" layers of Wu et al. 2019. Registered as spikeloom::avg_pool and
/// spikeloom::avg_pool_backward.
at::Tensor avg_pool(const at::Tensor& input, std::int64_t kernel);

}  // namespace spikeloom::ops
