#include "spikeloom/backends/torch/tensor.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>

namespace spikeloom::backends {
namespace {

using engine::Buffer;
using engine::Type;

std::vector<std::int64_t> image_strides(const model::Shape& shape) {
  return {shape.channels * shape.height * shape.width, 1, shape.width * shape.channels, shape.channels};
}

Type type_of(at::ScalarType type) {
  switch (type) {
    case at::kBFloat16:
      return Type::kBFloat16;
    case at::kByte:
      return Type::kByte;
    case at::kLong:
      return Type::kInt64;
    case at::kDouble:
      return Type::kDouble;
    default:
      return Type::kFloat;
  }
}

}  // namespace

at::ScalarType scalar_type(Type type) {
  switch (type) {
    case Type::kFloat:
      return at::kFloat;
    case Type::kBFloat16:
      return at::kBFloat16;
    case Type::kByte:
      return at::kByte;
    case Type::kInt64:
      return at::kLong;
    case Type::kDouble:
      break;
  }
  return at::kDouble;
}

at::Device numbered(at::Device device) {
  return device.is_cpu() || device.has_index() ? device : at::Device(device.type(), 0);
}

at::Tensor tensor_of(const Buffer& buffer, at::IntArrayRef sizes, const at::Device& device) {
  return at::for_blob(buffer.data, sizes)
      .options(at::TensorOptions(scalar_type(buffer.type)).device(device))
      .target_device(device)
      .make_tensor();
}

at::Tensor images_of(const Buffer& buffer, std::int64_t images, const model::Shape& shape,
                     const at::Device& device) {
  const std::vector<std::int64_t> sizes = {images, shape.channels, shape.height, shape.width},
                                  strides = image_strides(shape);
  return at::for_blob(buffer.data, sizes)
      .strides(strides)
      .options(at::TensorOptions(scalar_type(buffer.type)).device(device))
      .target_device(device)
      .make_tensor();
}

at::Tensor empty_images(std::int64_t images, const model::Shape& shape, const at::Tensor& like) {
  return at::empty_strided({images, shape.channels, shape.height, shape.width}, image_strides(shape),
                           like.options());
}

Buffer buffer_of(const at::Tensor& tensor) {
  Buffer buffer;
  buffer.owner = std::make_shared<at::Tensor>(tensor);
  buffer.data = tensor.data_ptr();
  buffer.count = tensor.numel();
  buffer.type = type_of(tensor.scalar_type());
  return buffer;
}

}  // namespace spikeloom::backends
