#pragma once
// The memory layouts that the kernels expect, asked for once and copied only where a tensor lacks them.
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace spikeloom::ops {

/// `x` [T, ...] in memory with T outermost and no gaps; the order of the inner dimensions is left as it is.
/// Copies only if it is not so already.
at::Tensor time_outermost(const at::Tensor& x);

/// `x` [..., C, H, W] in memory as [..., H, W, C] without gaps. Copies only if it is not so already.
at::Tensor channels_last(const at::Tensor& x);

/// Uninitialised tensor of logical shape [leading..., C, H, W] and memory order [leading..., H, W, C].
at::Tensor empty_channels_last(at::IntArrayRef leading, std::int64_t channels, std::int64_t height,
                               std::int64_t width, const at::TensorOptions& options);

/// `x` with the strides of `like` (same sizes). Copies only if they differ.
at::Tensor with_strides_of(const at::Tensor& x, const at::Tensor& like);

/// Throws ShapeError "NAME: MESSAGE, not SHAPE" unless `condition`.
void check_shape(bool condition, const char* name, const std::string& message, const at::Tensor& x);

/// Throws ShapeError unless `x` has the dtype of `like`.
void check_same_dtype(const char* name, const at::Tensor& x, const at::Tensor& like);

/// Throws ShapeError unless `x` is float or double; DeviceError unless it lies on the CPU.
void check_floating_cpu(const char* name, const at::Tensor& x);

}  // namespace spikeloom::ops
