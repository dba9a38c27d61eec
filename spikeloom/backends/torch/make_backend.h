#pragma once
#include <c10/core/Device.h>

#include <memory>

#include "spikeloom/backends/cpu/cpu_backend.h"
#include "spikeloom/backends/device/device_backend.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::backends {

/// The processor, with LibTorch's convolutions and matrix products.
std::unique_ptr<CpuBackend> make_cpu_backend(const model::ComputeSettings& compute);

/// A device of LibTorch, with its memory, streams, convolutions and matrix products. For the CPU: the same
/// code on the host's queue and in the processor's memory, "the device path on the host".
std::unique_ptr<DeviceBackend> make_device_backend(const model::ComputeSettings& compute, c10::Device device);

}  // namespace spikeloom::backends
