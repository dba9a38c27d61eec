#include "spikeloom/backends/torch/make_backend.h"

#include "spikeloom/backends/cpu/cpu_backend.h"
#include "spikeloom/backends/torch/torch_products.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/ops/device.h"

namespace spikeloom::backends {

std::unique_ptr<engine::Backend> make_backend(const model::ComputeSettings& compute,
                                              const std::string& device) {
  if (ops::device_of(device).is_cpu()) {
    return std::make_unique<CpuBackend>(compute, std::make_unique<TorchProducts>());
  }
  throw DeviceError(device + ": has no backend yet");
}

std::unique_ptr<engine::Backend> make_device_backend_on_host(const model::ComputeSettings&) {
  throw DeviceError("the device's kernels on the host have no backend yet");
}

}  // namespace spikeloom::backends
