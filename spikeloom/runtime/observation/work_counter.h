#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/runtime/fan_out.h"
#include "spikeloom/runtime/network.h"
#include "spikeloom/runtime/session.h"

namespace spikeloom::runtime {

/// Counts the work of a network's products from what comes in: spikes and events as additions (FanOut); a
/// value that is no spike (pixels, outputs of NeuNorm) one multiply-accumulate each, where it is not 0. A
/// still image counts once, as it is convolved once.
class WorkCounter {
 public:
  /// `network` must outlive it.
  explicit WorkCounter(const Network& network);

  /// A step of a session that observes. `input` [H, W, C] is that of the step, empty where it is the step's
  /// before; `is_events`: its values count events.
  void step(const Session& session, Span<const float> input, bool is_events);

  const std::vector<std::int64_t>& synaptic_operations() const { return additions_; }  ///< [nodes]
  const std::vector<std::int64_t>& macs() const { return macs_; }                      ///< [nodes]

 private:
  void count(std::size_t node, const Connection& connection, const model::Shape& shape,
             Span<const float> values, bool are_spikes);

  const Network& network_;
  std::vector<FanOut> fan_outs_;  ///< [nodes]
  std::vector<std::int64_t> additions_, macs_;
};

}  // namespace spikeloom::runtime
