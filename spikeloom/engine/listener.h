#pragma once
#include "spikeloom/engine/buffer.h"

namespace spikeloom::engine {

/// Hears of gradients while the backward pass still runs, last layers first: where processes that train
/// together add theirs up.
class GradientListener {
 public:
  virtual ~GradientListener() = default;
  /// The gradient of a slot will not change any more.
  virtual void ready(int slot, const Buffer& gradient) = 0;
  /// All were announced; returns once they may be used.
  virtual void wait() = 0;
};

}  // namespace spikeloom::engine
