#pragma once
// Buffers as LibTorch's tensors and back, without copying. Internal to backends/torch.
#include <ATen/core/Tensor.h>

#include "spikeloom/engine/buffer.h"
#include "spikeloom/model/shape.h"

namespace spikeloom::backends {

at::ScalarType scalar_type(engine::Type type);

/// "cuda" is the first of its kind: streams and memory are asked for by number.
at::Device numbered(at::Device device);

/// Row-major. The buffer has to outlive the tensor; device: where its memory is.
at::Tensor tensor_of(const engine::Buffer& buffer, at::IntArrayRef sizes, const at::Device& device);
/// [images, C, H, W] in channels-last memory.
at::Tensor images_of(const engine::Buffer& buffer, std::int64_t images, const model::Shape& shape,
                     const at::Device& device);
/// Uninitialised, of the type and device of `like`.
at::Tensor empty_images(std::int64_t images, const model::Shape& shape, const at::Tensor& like);

/// The tensor's memory in its own order, kept alive by the buffer. It must be without gaps.
engine::Buffer buffer_of(const at::Tensor& tensor);

}  // namespace spikeloom::backends
