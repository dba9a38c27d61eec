#pragma once
#include <memory>
#include <string>

#include "spikeloom/engine/backend.h"
#include "spikeloom/model/settings.h"

namespace spikeloom::backends {

/// The backend of "cpu" (cpu_backend.h), or of "cuda" or "cuda:N" (device_backend.h), with LibTorch's
/// products. Throws DeviceError where LibTorch, the kernels or the machine have no such device.
std::unique_ptr<engine::Backend> make_backend(const model::ComputeSettings& compute,
                                              const std::string& device);

/// The kernels of a device on their host queue: for tests where there is no device.
std::unique_ptr<engine::Backend> make_device_backend_on_host(const model::ComputeSettings& compute);

}  // namespace spikeloom::backends
