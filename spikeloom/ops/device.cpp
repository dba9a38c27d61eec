#include "spikeloom/ops/device.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>

#include "spikeloom/base/errors.h"

#ifdef SPIKELOOM_WITH_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdio>
#include <map>
#include <optional>
#endif

namespace spikeloom::ops {
namespace {

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 4 && text.find_first_not_of("0123456789") == std::string::npos;
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  throw DeviceError("device '" + name + "': " + why);
}

#ifndef SPIKELOOM_WITH_CUDA
[[noreturn]] void refuse_without_cuda() {
  throw DeviceError("this build's LibTorch has no CUDA; docs/gpu.md says how to build with it");
}
#endif

}  // namespace

at::Device device_of(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  const std::string prefix = "cuda";
  const bool cuda =
      name == prefix || (name.rfind(prefix + ":", 0) == 0 && is_number(name.substr(prefix.size() + 1)));
  if (!cuda) refuse(name, "must be cpu, cuda or cuda:N");
#ifdef SPIKELOOM_WITH_CUDA
  if (!kernels::cuda::built_with_cuda()) {
    refuse(name, "Spikeloom's kernels were built without CUDA (SPIKELOOM_CUDA); docs/gpu.md");
  }
  const int count = kernels::cuda::device_count();
  if (count == 0 || !at::hasCUDA()) refuse(name, "no CUDA device or driver was found; use --device cpu");
  const int index = name == prefix ? 0 : std::stoi(name.substr(prefix.size() + 1));
  if (index >= count) {
    refuse(name, "this machine has " + std::to_string(count) + " CUDA device" + (count == 1 ? "" : "s"));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
#else
  refuse(name, "this build's LibTorch has no CUDA; docs/gpu.md says how to build with it");
#endif
}

std::string describe_cuda() {
  if (!kernels::cuda::built_with_cuda()) return "none: built without (docs/gpu.md)";
#ifdef SPIKELOOM_WITH_CUDA
  const int count = kernels::cuda::device_count();
  if (count == 0 || !at::hasCUDA()) return "none: no device or driver found";
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += (i > 0 ? ", " : "") + describe(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(i)));
  }
  return text;
#else
  return "none: LibTorch without CUDA (docs/gpu.md)";
#endif
}

#ifdef SPIKELOOM_WITH_CUDA

kernels::cuda::Queue queue_of(const at::Device& device) {
  if (device.is_cpu()) return {};
  return {true, at::cuda::getCurrentCUDAStream(device.index()).stream()};
}

void synchronize(const at::Device& device) {
  if (device.is_cpu()) return;
  const c10::cuda::CUDAGuard guard(device);
  const cudaError_t status = cudaDeviceSynchronize();
  if (status != cudaSuccess) {
    throw DeviceError(std::string("CUDA: ") + cudaGetErrorString(status) +
                      " (reported late: an earlier kernel or copy failed)");
  }
}

std::string describe(const at::Device& device) {
  if (device.is_cpu()) return "cpu";
  const auto* properties = at::cuda::getDeviceProperties(device.index());
  char text[400];
  std::snprintf(text, sizeof text, "%s (%.1f GiB, compute capability %d.%d)", properties->name,
                static_cast<double>(properties->totalGlobalMem) / (1 << 30), properties->major,
                properties->minor);
  return text;
}

std::int64_t peak_memory(const at::Device& device) {
  if (device.is_cpu()) return 0;
  return c10::cuda::CUDACachingAllocator::getDeviceStats(device.index()).reserved_bytes[0].peak;
}

void reset_peak_memory(const at::Device& device) {
  if (device.is_cuda()) c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
}

void prepare_arithmetic(const at::Device& device, bool bf16) {
  if (device.is_cpu()) return;
  c10::cuda::set_device(device.index());
  auto& context = at::globalContext();
  context.setAllowTF32CuDNN(bf16);
  context.setAllowTF32CuBLAS(bf16);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(true);
  context.setBenchmarkLimitCuDNN(0);  // all of them
}

at::Tensor empty_pinned(at::IntArrayRef sizes, at::ScalarType dtype, const at::Device& device) {
  return at::empty(sizes, at::TensorOptions(dtype).pinned_memory(device.is_cuda()));
}

namespace {

// The same one always: LibTorch keeps freed memory by stream.
c10::cuda::CUDAStream own_stream(const at::Device& device) {
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  return streams.try_emplace(device.index(), at::cuda::getStreamFromPool(false, device.index()))
      .first->second;
}

}  // namespace

class StreamScope::Impl {
 public:
  Impl(const at::Device& device, Order order) : device_(device), alone_(order == Order::kAlone) {
    if (alone_) synchronize(device);
    // Streams of high priority are others than the scope's own.
    guard_.emplace(alone_ ? own_stream(device)
                          : at::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index()));
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    // What failed is said by the next call that checks.
    if (alone_) static_cast<void>(cudaStreamSynchronize(at::cuda::getCurrentCUDAStream().stream()));
  }

 private:
  at::Device device_;
  bool alone_;
  std::optional<c10::cuda::CUDAStreamGuard> guard_;
};

class DeviceEvent::Impl {
 public:
  at::cuda::CUDAEvent event;  // without timing
};

class StepGraph::Impl {
 public:
  std::optional<at::cuda::CUDAGraph> graph;  // making one asks for a device
  bool captured = false;
};

StreamScope::StreamScope(const at::Device& device, Order order)
    : impl_(device.is_cuda() ? std::make_unique<Impl>(device, order) : nullptr) {}

DeviceEvent::DeviceEvent(const at::Device& device)
    : impl_(device.is_cuda() ? std::make_unique<Impl>() : nullptr) {}
void DeviceEvent::record() {
  if (impl_) impl_->event.record();
}
void DeviceEvent::wait_on_host() {
  if (impl_) impl_->event.synchronize();
}
void DeviceEvent::wait_on_stream() {
  if (impl_) impl_->event.block(at::cuda::getCurrentCUDAStream());
}

StepGraph::StepGraph() : impl_(std::make_unique<Impl>()) {}
bool StepGraph::is_captured() const { return impl_->captured; }
void StepGraph::capture(const std::function<void()>& step) {
  // What the steps before used would stay beside what the graph gets.
  c10::cuda::CUDACachingAllocator::emptyCache();
  auto& graph = impl_->graph.emplace();
  graph.capture_begin();
  try {
    step();
  } catch (...) {
    // An open capture would make every later call fail with an error of its own.
    try {
      graph.capture_end();
    } catch (const std::exception&) {
    }
    throw;
  }
  graph.capture_end();
  impl_->captured = true;
}
void StepGraph::replay() { impl_->graph->replay(); }

#else

kernels::cuda::Queue queue_of(const at::Device& device) {
  if (!device.is_cpu()) refuse_without_cuda();
  return {};
}
void synchronize(const at::Device&) {}
std::string describe(const at::Device& device) { return device.str(); }
std::int64_t peak_memory(const at::Device&) { return 0; }
void reset_peak_memory(const at::Device&) {}
void prepare_arithmetic(const at::Device&, bool) {}
at::Tensor empty_pinned(at::IntArrayRef sizes, at::ScalarType dtype, const at::Device&) {
  return at::empty(sizes, at::TensorOptions(dtype));
}

class StreamScope::Impl {};
class DeviceEvent::Impl {};
class StepGraph::Impl {};
StreamScope::StreamScope(const at::Device&, Order) {}
DeviceEvent::DeviceEvent(const at::Device&) {}
void DeviceEvent::record() {}
void DeviceEvent::wait_on_host() {}
void DeviceEvent::wait_on_stream() {}
StepGraph::StepGraph() = default;
bool StepGraph::is_captured() const { return false; }
void StepGraph::capture(const std::function<void()>&) { refuse_without_cuda(); }
void StepGraph::replay() { refuse_without_cuda(); }

#endif

StreamScope::~StreamScope() = default;
DeviceEvent::~DeviceEvent() = default;
DeviceEvent::DeviceEvent(DeviceEvent&&) noexcept = default;
StepGraph::~StepGraph() = default;

}  // namespace spikeloom::ops
