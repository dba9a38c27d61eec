#pragma once
// Times of a layer's passes, where they are asked for. Internal to nn.
#include <chrono>
#include <vector>

#include "spikeloom/nn/network.h"

namespace spikeloom::nn {

using Clock = std::chrono::steady_clock;

inline double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Adds the time of a scope to a layer's backward pass.
class LayerTimer {
 public:
  LayerTimer(std::vector<LayerCost>* costs, std::size_t layer, Clock::time_point start)
      : cost_(costs != nullptr ? &(*costs)[layer] : nullptr), start_(start) {}
  LayerTimer(const LayerTimer&) = delete;
  LayerTimer& operator=(const LayerTimer&) = delete;
  ~LayerTimer() {
    if (cost_ != nullptr) cost_->backward_ms += milliseconds_since(start_);
  }

 private:
  LayerCost* cost_;
  Clock::time_point start_;
};

}  // namespace spikeloom::nn
