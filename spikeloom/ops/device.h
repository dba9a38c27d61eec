#pragma once
// What LibTorch says about CUDA devices, kept out of all other files: streams, graphs of captured work, host
// memory that devices copy from, memory in use. In a build whose LibTorch has no CUDA, all of it works for
// the CPU and throws DeviceError for anything else. Internal to ops, backends/torch and train.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::ops {

/// "cpu", "cuda" (the first device) or "cuda:N". Throws DeviceError for another word, and where LibTorch, the
/// kernels or the machine have no such device: which of them it is.
at::Device device_of(const std::string& name);

/// Where the kernels of kernels/cuda run for tensors of this device: LibTorch's current stream, or the host.
kernels::cuda::Queue queue_of(const at::Device& device);

/// Waits until the device has done all that was asked of it. CPU: nothing to wait for.
void synchronize(const at::Device& device);

/// What this build and machine have of CUDA: the devices, or why there are none.
std::string describe_cuda();

/// "NVIDIA H100 80GB HBM3 (79.2 GiB, compute capability 9.0)"; "cpu" for the CPU.
std::string describe(const at::Device& device);

/// Largest number of bytes that LibTorch has had reserved on the device since the last reset; 0 for the CPU.
std::int64_t peak_memory(const at::Device& device);
void reset_peak_memory(const at::Device& device);

/// Makes the device the current one and settles how LibTorch computes there: float products in float, or in
/// tf32 where `bf16` says that others are in bfloat16 (the first layer's, then the only ones in float);
/// convolution algorithms chosen by measurement among those that give the same bits every time. Another
/// process may choose another one: the same bits are promised within one.
void prepare_arithmetic(const at::Device& device, bool bf16);

/// Uninitialised host memory that `device` can copy from and to while the host goes on. CPU: plain memory.
at::Tensor empty_pinned(at::IntArrayRef sizes, at::ScalarType dtype, const at::Device& device);

/// Work is asked of a stream of its own for as long as this lives: a graph cannot be captured on the default
/// one. CPU: nothing.
class StreamScope {
 public:
  enum class Order {
    kAlone,   ///< begins when all that was asked of the device is done, and ends when its own work is
    kBeside,  ///< at the same time as other streams: order by DeviceEvent
  };
  StreamScope(const at::Device& device, Order order);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A point in the current stream's work that host and other streams can wait for. CPU: nothing to wait for.
class DeviceEvent {
 public:
  explicit DeviceEvent(const at::Device& device);
  ~DeviceEvent();
  DeviceEvent(DeviceEvent&&) noexcept;

  void record();          ///< what was asked of the current stream until now
  void wait_on_host();    ///< returns at once if nothing was recorded
  void wait_on_stream();  ///< the current stream waits, the host does not

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A sequence of work that is captured once and then replayed as a whole (a CUDA graph): one launch instead
/// of hundreds. CUDA devices only.
class StepGraph {
 public:
  StepGraph();
  ~StepGraph();

  bool is_captured() const;
  /// Runs `step` without doing its work: what it asks of the current stream (see StreamScope) is recorded.
  /// Tensors that it makes live in memory of the graph; those that it reads must stay where they are.
  void capture(const std::function<void()>& step);
  void replay();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spikeloom::ops
