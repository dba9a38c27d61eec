#pragma once
// The stateless nodes of a graph that are more than elementwise: what a step's input becomes.
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::exchange {

/// A Linear, Affine, convolution or pooling, which works in proportion to the inputs that are not zero.
/// Weights are held with the outputs innermost.
class NirProduct {
 public:
  NirProduct(const formats::NirNode& node, const formats::NirNodeShapes& shapes);
  static bool covers(formats::NirKind kind);
  /// input: [shapes.input], row-major; output: [shapes.output], overwritten. scratch: any vector of its own
  /// for each thread. Returns the synaptic operations: weights added, of poolings 0.
  std::int64_t run(Span<const double> input, Span<double> output, std::vector<double>& scratch) const;

 private:
  std::int64_t run_windows(Span<const double> input, Span<double> output, std::vector<double>& scratch) const;

  bool windowed_ = false, pooling_ = false;
  std::vector<double> weight_, bias_;
  std::int64_t groups_ = 1, filters_ = 1, channels_ = 1;
  std::int64_t in_[2] = {1, 1}, out_[2] = {1, 1};
  formats::NirWindow window_[2];
  double pool_factor_ = 1.0;
};

}  // namespace spikeloom::exchange
