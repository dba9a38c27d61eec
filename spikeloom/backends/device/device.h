#pragma once
#include <string>

#include "spikeloom/engine/buffer.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::backends {

/// Where a DeviceBackend computes, as whoever knows the device's library gives it. Memory and queue belong
/// together: what is asked of one is done in order with what is asked of the other.
class Device {
 public:
  virtual ~Device() = default;
  /// "cuda:0"; "cpu" for the host's queue.
  virtual std::string name() const = 0;
  virtual engine::Memory& memory() = 0;
  /// The one that is current now: another one while a step is captured.
  virtual kernels::cuda::Queue queue() const = 0;
  /// Returns when all that was asked of it is done. Throws DeviceError for what failed meanwhile.
  virtual void wait() = 0;
};

}  // namespace spikeloom::backends
