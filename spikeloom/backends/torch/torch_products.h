#pragma once
#include "spikeloom/backends/products.h"

namespace c10 {
struct Device;
}

namespace spikeloom::backends {

/// Convolutions and matrix products of LibTorch: oneDNN and BLAS on the processor, cuDNN and cuBLAS on a
/// device.
class TorchProducts : public DenseProducts {
 public:
  engine::Buffer forward(const model::Product& product, std::int64_t rows, const engine::Buffer& x,
                         const engine::Buffer& weight, const engine::Buffer& bias, bool inference) override;
  Gradients backward(const model::Product& product, std::int64_t rows, const engine::Buffer& grad_current,
                     const engine::Buffer& x, const engine::Buffer& weight, Wanted wanted) override;
};

}  // namespace spikeloom::backends
