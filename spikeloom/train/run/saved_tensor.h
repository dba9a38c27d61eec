#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::train {

/// A tensor of a model file or checkpoint, row-major. One of the two kinds of values is filled.
struct SavedTensor {
  std::string name;
  std::vector<std::int64_t> shape;  ///< empty: a scalar
  std::vector<float> values;
  std::vector<std::int64_t> integers;
};

}  // namespace spikeloom::train
