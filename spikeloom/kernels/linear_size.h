#pragma once
#include <cstdint>

namespace spikeloom::kernels {

/// Of a fully connected product: x [rows, inputs], weight [filters, inputs], y [rows, filters].
struct LinearSize {
  std::int64_t rows = 0, inputs = 0, filters = 0;
};

}  // namespace spikeloom::kernels
