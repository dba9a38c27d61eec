#pragma once
// Where the kernels of this folder run. Each has one body, which runs on the device of a queue or, one index
// after the other, on the host: so that everything can be tested, and used, without a device.
//
// For all of them:
// - Pointers are the queue's: of device memory for a device queue, of host memory for a host queue. Indices
// and
//   sizes are 64-bit. Pointers may have any alignment that their type allows; 16 bytes, which every allocator
//   of device memory gives, let whole vectors be loaded.
// - Nothing is allocated, waited for or read back, so that a sequence of calls can be captured in a CUDA
// graph.
//   What changes from replay to replay (iteration, learning rate) is read from device memory. Workspaces are
//   the caller's, 16-byte aligned, of the bytes that a function beside the kernel returns; their contents
//   need not be kept.
// - The result depends on the arguments alone, not on device, threads or timing: sums have a fixed order, and
// no
//   multiply-add is fused. Host and device give the same bits except where exp, log, sqrt or pow is called
//   and where a value is NaN.
// - Outputs are overwritten unless it says "added to". A size of 0 is no error.
// - Thrown: DeviceError that names the kernel when a launch fails, or for a device queue in a build without
// CUDA;
//   ShapeError for sizes that contradict each other. What the device finds later shows in a later call.
#include <cstdint>

struct CUstream_st;

namespace spikeloom::kernels::cuda {

struct Queue {
  bool on_device = false;
  CUstream_st* stream = nullptr;  ///< a cudaStream_t of the current device; nullptr is the default stream
};

/// Whether this build has device code.
bool built_with_cuda();

/// Devices of this machine that this build can use; 0 without a driver or in a build without CUDA. Never
/// throws.
int device_count();

/// *counter += 1: step and iteration counters of a captured training step.
void increment(const Queue& queue, std::uint64_t* counter);

}  // namespace spikeloom::kernels::cuda
