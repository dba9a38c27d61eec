#pragma once
#include <c10/core/Device.h>

#include "spikeloom/backends/device/device.h"

namespace spikeloom::backends {

/// Memory of LibTorch's allocator. Copies are asked of the device's current stream, in order with kernels.
/// allocate() may be called while a step is captured: such memory belongs to the graph.
class TorchMemory : public engine::Memory {
 public:
  /// Throws LibTorch's error for a device that there is not.
  explicit TorchMemory(c10::Device device);

  engine::Buffer allocate(std::int64_t count, engine::Type type) override;
  /// Waits for what was asked of the stream.
  void to_host(const engine::Buffer& from, void* to) override;
  /// `from` may be changed as soon as it returns. A single value, 4 or 8 bytes, goes along with a launch:
  /// what a step reads anew each time (iteration, rates) is put there without waiting for the steps before.
  void from_host(const void* from, const engine::Buffer& to) override;
  void fill_zero(const engine::Buffer& buffer) override;

 private:
  c10::Device device_;
};

/// A device of LibTorch: its memory, its current stream. The processor is one as well: with the host's queue.
class TorchDevice : public Device {
 public:
  explicit TorchDevice(c10::Device device);

  std::string name() const override;
  engine::Memory& memory() override { return memory_; }
  kernels::cuda::Queue queue() const override;
  void wait() override;

 private:
  c10::Device device_;
  TorchMemory memory_;
};

}  // namespace spikeloom::backends
