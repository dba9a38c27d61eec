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
  bool is_pooling() const { return pooling_; }
  /// input: [shapes.input], row-major; output: [shapes.output], overwritten. scratch: any vector of its own
  /// for each thread. spikes: how many each input stands for, or empty: none. Returns the synaptic
  /// operations: each spike counts once for each synapse that it reaches; of poolings 0.
  double run(Span<const double> input, Span<const double> spikes, Span<double> output,
             std::vector<double>& scratch) const;
  /// Of a pooling: how many spikes each output stands for, those of its window.
  void pool_spikes(Span<const double> spikes, Span<double> output, std::vector<double>& scratch) const;

 private:
  double run_windows(Span<const double> input, Span<const double> spikes, double pool_factor,
                     Span<double> output, std::vector<double>& scratch) const;

  bool windowed_ = false, pooling_ = false;
  std::vector<double> weight_, bias_;
  std::int64_t groups_ = 1, filters_ = 1, channels_ = 1;
  std::int64_t in_[2] = {1, 1}, out_[2] = {1, 1};
  formats::NirWindow window_[2];
  double pool_factor_ = 1.0;
};

}  // namespace spikeloom::exchange
