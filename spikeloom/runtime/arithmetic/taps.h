#pragma once
#include <cstdint>

#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// Where the input's row (or column) `at` adds to with tap `tap`, or -1.
inline std::int64_t reached(const Product::Axis& axis, std::int64_t at, std::int64_t tap,
                            std::int64_t extent) {
  std::int64_t place = at + axis.padding - tap * axis.dilation;
  if (place < 0) return -1;
  if (axis.stride != 1) {
    if (place % axis.stride != 0) return -1;
    place /= axis.stride;
  }
  return place < extent ? place : -1;
}

/// Taps with which the input's pixel (y, x) adds to an output.
inline std::int64_t taps_of(const Product& product, std::int64_t y, std::int64_t x) {
  std::int64_t rows = 0, columns = 0;
  for (int ky = 0; ky < product.vertical.kernel; ++ky) {
    rows += reached(product.vertical, y, ky, product.output.height) < 0 ? 0 : 1;
  }
  for (int kx = 0; kx < product.horizontal.kernel; ++kx) {
    columns += reached(product.horizontal, x, kx, product.output.width) < 0 ? 0 : 1;
  }
  return rows * columns;
}

}  // namespace spikeloom::runtime
