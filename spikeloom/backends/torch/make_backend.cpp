#include "spikeloom/backends/torch/make_backend.h"

#include "spikeloom/backends/torch/tensor.h"
#include "spikeloom/backends/torch/torch_device.h"
#include "spikeloom/backends/torch/torch_products.h"

namespace spikeloom::backends {

std::unique_ptr<CpuBackend> make_cpu_backend(const model::ComputeSettings& compute) {
  return std::make_unique<CpuBackend>(compute, std::make_unique<TorchProducts>());
}

std::unique_ptr<DeviceBackend> make_device_backend(const model::ComputeSettings& compute,
                                                   c10::Device device) {
  return std::make_unique<DeviceBackend>(compute, std::make_unique<TorchDevice>(device),
                                         std::make_unique<TorchProducts>(numbered(device)));
}

}  // namespace spikeloom::backends
