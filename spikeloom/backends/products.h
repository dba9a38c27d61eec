#pragma once
// The dense arithmetic of a stage: spikes as numbers. Whoever has a good convolution and matrix product gives
// them.
#include <cstdint>

#include "spikeloom/engine/buffer.h"
#include "spikeloom/model/program.h"

namespace spikeloom::backends {

class DenseProducts {
 public:
  virtual ~DenseProducts() = default;

  /// Images x [rows, H, W, C] -> currents [rows, H', W', F], or x [rows, values] -> [rows, F] of a fully
  /// connected product. weight [F, k, k, C] or [F, values] and bias [F] (or empty): x's type, and that of the
  /// result. `inference`: a row's result does not depend on how many other rows there are.
  virtual engine::Buffer forward(const model::Product& product, std::int64_t rows, const engine::Buffer& x,
                                 const engine::Buffer& weight, const engine::Buffer& bias,
                                 bool inference) = 0;

  struct Wanted {
    bool x = false, weight = false, bias = false;
  };
  struct Gradients {
    engine::Buffer x;             ///< as x, in its type
    engine::Buffer weight, bias;  ///< as the weights lie, float or in x's type
  };
  /// From grad_current, as forward() gives the currents. x: where the weights' gradient is not wanted it may
  /// be empty.
  virtual Gradients backward(const model::Product& product, std::int64_t rows,
                             const engine::Buffer& grad_current, const engine::Buffer& x,
                             const engine::Buffer& weight, Wanted wanted) = 0;
};

}  // namespace spikeloom::backends
