#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/runtime/arithmetic/active_inputs.h"
#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

// Work in proportion to the inputs that are not 0: spikes, or the pixels of an image. Sums in float, over
// inputs in memory order; the bits are the same on every machine and at every SIMD level, for rows together
// or one by one, for steps together or one by one.

/// Of a convolution: output [last - first, W', F], rows [first, last) of the outputs = bias (0 where there is
/// none) + product of the listed inputs of a step. Never throws.
void sparse_product(const Product& product, const ActiveInputs& inputs, std::int64_t first, std::int64_t last,
                    float* output);

/// What matrix_product() works in.
struct MatrixRoom {
  /// Inputs whose weights for two blocks of filters, as floats, stay in the first-level cache.
  static constexpr std::int64_t kPart = 64;
  static std::int64_t parts_of(const Product& product);

  std::vector<std::int32_t> cuts;  ///< [part of the inputs][step]: where the step's list of it begins
  std::vector<float> rows;         ///< weights of a part and two blocks of filters

  /// Makes room for a product at so many steps as well.
  void fit(const Product& product, std::int64_t steps);
  void cut(const Product& product, const ActiveInputs& inputs);
};

/// Of a matrix: output [steps, F] of all listed steps. At several steps the weights of a part of the inputs
/// are read once. Never throws.
void matrix_product(const Product& product, const ActiveInputs& inputs, MatrixRoom& room, float* output);

/// output [F] += the rows of weight [N, F] whose input [N] is not 0, times it.
void add_rows(std::int64_t rows, std::int64_t columns, const float* weight, const float* input,
              float* output);

}  // namespace spikeloom::runtime
