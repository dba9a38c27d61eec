#pragma once
#include <vector>

#include "spikeloom/engine/buffer.h"

namespace spikeloom::engine {

/// How parameters follow their gradients.
struct UpdateRule {
  enum Kind { kSgd, kAdam } kind = kSgd;
  bool nesterov = false;                              ///< kSgd
  bool decoupled_decay = false;                       ///< kAdam: AdamW
  double momentum = 0.9;                              ///< kSgd
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  ///< kAdam
  double max_gradient_norm = 0.0;                     ///< gradients are scaled down to it; 0: never
  /// Of the moving average of all slots, those that are not trained included: a = d a + (1 - d) w after each
  /// update, d = min(decay, (1 + n) / (10 + n)) after n updates; 0: there is none.
  double average_decay = 0.0;

  bool has_first_moment() const { return kind == kAdam || momentum != 0.0; }
  bool has_second_moment() const { return kind == kAdam; }
};

/// One slot's part.
struct SlotUpdate {
  int slot = 0;
  double rate_factor = 1.0;   ///< of the learning rate
  double weight_decay = 0.0;  ///< added to the gradient: weight_decay * weight
};

/// What an update remembers: flat, as the parameters are.
struct Moments {
  Buffer first;            ///< momentum, or Adam's first moment; empty where the rule has none
  Buffer second;           ///< Adam's second
  Buffer average;          ///< of the values; empty where the rule has none
  Buffer step_count;       ///< int64 scalar: of the update that comes next
  Buffer average_decay;    ///< float scalar: likewise
  std::int64_t steps = 0;  ///< updates that were prepared
};

}  // namespace spikeloom::engine
