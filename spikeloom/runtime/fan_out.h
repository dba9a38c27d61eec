#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/model/program.h"
#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// How many synapses the inputs of a product reach. One definition, for reports and for live streams: a
/// *synaptic operation* is the addition of one weight; every spike (or event) counts once for each synapse
/// that it reaches in the layer that it enters, through an average pooling too; through a maximum pooling,
/// the spikes of a window count once. A synapse into the padding is none.
class FanOut {
 public:
  explicit FanOut(const Product& product);

  /// Outputs that an input in row y and column x reaches; of a matrix all.
  std::int64_t synapses(std::int64_t y, std::int64_t x) const {
    return is_matrix_ ? filters_
                      : filters_ * rows_[static_cast<std::size_t>(y)] * columns_[static_cast<std::size_t>(x)];
  }

  struct Work {
    std::int64_t additions = 0;  ///< of spikes
    std::int64_t values = 0;     ///< synapses of the pooled values that are not 0
  };
  /// Of values [H, W, C] (shape) that come in through a pooling. additions: each value counts so many spikes;
  /// `values` is for those that are no spikes.
  Work of(const model::Shape& shape, const model::Pool& pool, Span<const float> values) const;

 private:
  bool is_matrix_;
  std::int64_t filters_;
  std::vector<std::int64_t> rows_,
      columns_;  ///< outputs that an input in this row (column) reaches, over one axis
};

}  // namespace spikeloom::runtime
