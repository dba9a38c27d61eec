#pragma once
#include <string>
#include <vector>

#include "spikeloom/report/observations.h"

namespace spikeloom::report {

/// The weights of a layer: of its product, or those of a recurrent layer to itself.
struct WeightStatistics {
  std::string name;  ///< "conv1", "rfc1 recurrent"
  std::vector<std::int64_t> shape;
  double mean = 0.0, deviation = 0.0, least = 0.0, most = 0.0;
  double zeros = 0.0;   ///< fraction of 1
  Histogram histogram;  ///< 40 bins of [-a, a], a the largest absolute value
};

/// Of all weights in a model file or checkpoint, in the order of the file's names. Memory: the largest
/// tensor. The network's other tensors are compared with their checksums, so that a file that is damaged is
/// found here; the optimiser's are not looked at. Throws FormatError, DataError; values that are not finite
/// are left out.
std::vector<WeightStatistics> read_weights(const std::string& path);

}  // namespace spikeloom::report
