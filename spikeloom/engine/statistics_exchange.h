#pragma once
#include <vector>

#include "spikeloom/base/span.h"

namespace spikeloom::engine {

/// What processes that train one batch together tell each other within a step: sums over their samples,
/// small. All of them call it in the same order.
class StatisticsExchange {
 public:
  virtual ~StatisticsExchange() = default;
  /// own [n] of each process -> [processes, n], in their order, the same everywhere. Waits for all.
  virtual std::vector<double> gather(Span<const double> own) = 0;
};

}  // namespace spikeloom::engine
