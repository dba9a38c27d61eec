#pragma once
#include <c10/core/Device.h>

#include "spikeloom/backends/products.h"

namespace spikeloom::backends {

/// Convolutions and matrix products of LibTorch: oneDNN and BLAS on the processor, cuDNN and cuBLAS on a
/// device.
class TorchProducts : public DenseProducts {
 public:
  /// device: where the buffers are, those that come in and those that it makes.
  explicit TorchProducts(c10::Device device = c10::Device(c10::DeviceType::CPU)) : device_(device) {}
  engine::Buffer forward(const model::Product& product, std::int64_t rows, const engine::Buffer& x,
                         const engine::Buffer& weight, const engine::Buffer& bias, bool inference) override;
  Gradients backward(const model::Product& product, std::int64_t rows, const engine::Buffer& grad_current,
                     const engine::Buffer& x, const engine::Buffer& weight, Wanted wanted) override;

 private:
  c10::Device device_;
};

}  // namespace spikeloom::backends
