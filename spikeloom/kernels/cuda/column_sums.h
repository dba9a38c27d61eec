#pragma once
// Sums over the rows of a matrix in two stages: threads add up to kColumnRows rows of some columns each,
// lanes of a warp add the parts of a column. How the rows are cut depends on the sizes alone.
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/cuda/launch.h"

namespace spikeloom::kernels::cuda {

struct ColumnParts {
  /// pieces: threads that share a row's columns.
  ColumnParts(std::int64_t row_count, std::int64_t pieces) : rows(row_count) {
    constexpr std::int64_t kThreads = 65536;  // some hundred for each multiprocessor of a large device
    constexpr std::int64_t kMost = 1024,
                           kLeast = 16;  // rows a thread: so that sums stay exact, and few are written
    const std::int64_t wanted = (rows * pieces + kThreads - 1) / kThreads;
    length = wanted < kLeast ? kLeast : wanted > kMost ? kMost : wanted;
    count = (rows + length - 1) / length;
  }
  std::int64_t rows, length, count;  ///< rows in all, in a part, and parts
};

/// Rows = columns of parts_of_columns [parts, columns]: sums[column] = scale * their sum, added in double.
struct AddParts {
  using Value = double;
  std::int64_t parts, columns;
  const float* parts_of_columns;
  float* sums;
  double scale;

  SPIKELOOM_HOST_DEVICE double partial(std::int64_t column, int lane) const {
    double sum = 0.0;
    for (std::int64_t part = lane; part < parts; part += kWarpLanes) {
      sum += static_cast<double>(parts_of_columns[part * columns + column]);
    }
    return sum;
  }
  SPIKELOOM_HOST_DEVICE static double add(double lower, double upper) { return lower + upper; }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t column, double sum) const {
    sums[column] = static_cast<float>(scale * sum);
  }
};

}  // namespace spikeloom::kernels::cuda
