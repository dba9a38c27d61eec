#include "spikeloom/backends/torch/torch_device.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include <cstring>

#include "spikeloom/backends/torch/tensor.h"
#include "spikeloom/ops/device.h"

namespace spikeloom::backends {
namespace {

using engine::Buffer;
using engine::Type;

// Copied bit by bit, whatever they are.
at::Tensor bytes_of(const Buffer& buffer, const at::Device& device) {
  return tensor_of({nullptr, buffer.data, buffer.bytes(), Type::kByte}, {buffer.bytes()}, device);
}

template <class T>
void fill_with(const Buffer& buffer, at::ScalarType type, const void* from, const at::Device& device) {
  T bits;
  std::memcpy(&bits, from, sizeof bits);
  at::for_blob(buffer.data, {1})
      .options(at::TensorOptions(type).device(device))
      .target_device(device)
      .make_tensor()
      .fill_(bits);
}

}  // namespace

TorchMemory::TorchMemory(c10::Device device) : device_(numbered(device)) {}

Buffer TorchMemory::allocate(std::int64_t count, Type type) {
  return buffer_of(at::empty({count}, at::TensorOptions(scalar_type(type)).device(device_)));
}

void TorchMemory::to_host(const Buffer& from, void* to) {
  if (from.count == 0) return;
  const at::NoGradGuard no_grad;
  const at::Device host(at::kCPU);
  tensor_of({nullptr, to, from.bytes(), Type::kByte}, {from.bytes()}, host).copy_(bytes_of(from, device_));
}

void TorchMemory::from_host(const void* from, const Buffer& to) {
  if (to.count == 0) return;
  const at::NoGradGuard no_grad;
  // As integers: any bits stay what they are.
  if (to.bytes() == 4) return fill_with<std::int32_t>(to, at::kInt, from, device_);
  if (to.bytes() == 8) return fill_with<std::int64_t>(to, at::kLong, from, device_);
  const at::Device host(at::kCPU);
  bytes_of(to, device_)
      .copy_(tensor_of({nullptr, const_cast<void*>(from), to.bytes(), Type::kByte}, {to.bytes()}, host));
}

void TorchMemory::fill_zero(const Buffer& buffer) {
  const at::NoGradGuard no_grad;
  if (buffer.count > 0) bytes_of(buffer, device_).zero_();
}

TorchDevice::TorchDevice(c10::Device device) : device_(numbered(device)), memory_(device_) {}

std::string TorchDevice::name() const { return device_.str(); }

kernels::cuda::Queue TorchDevice::queue() const { return ops::queue_of(device_); }

void TorchDevice::wait() { ops::synchronize(device_); }

}  // namespace spikeloom::backends
