#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/runtime/network.h"
#include "spikeloom/runtime/network_state.h"
#include "spikeloom/runtime/ranking.h"

namespace spikeloom::runtime {

/// One sample, or one stream, going through a network: its state. Any number of sessions may share a network,
/// each used by one thread at a time. Nothing is allocated after the constructor. What it computes is the
/// same, to the last bit, step by step and in one run, on any machine: sums in float, in memory order, or
/// exact. The engine that trains sums in another order (and in bfloat16 or 16-bit weights where its settings
/// say so), so that a potential within rounding of the threshold may fall on the other side: docs/runtime.md.
class Session {
 public:
  /// State as reset() leaves it.
  explicit Session(std::shared_ptr<const Network> network);

  const Network& network() const { return *network_; }
  const std::shared_ptr<const Network>& shared_network() const { return network_; }

  /// Back to the beginning: potentials, currents, NeuNorm and votes are 0.
  void reset();

  /// One step: input [H, W, C]. Throws ShapeError for another number of values, and at a step that a
  /// node has no factor for; NumericsError for values that are not finite, or beyond 10^9; ConfigError for an
  /// artificial network, which has no steps. State is then as it was. NumericsError too where votes are not
  /// finite; then reset() is what goes on.
  void step(Span<const float> input);

  /// From reset() on, a whole sample: [steps, H, W, C], or [H, W, C], a still image, shown for the network's
  /// num_steps steps and convolved once for up to 16 of them. Goes node by node over blocks of steps
  /// (NetworkState), which is faster than step by step and gives the same bits. Throws as step() does.
  void run(Span<const float> values);

  /// Steps since reset().
  std::int64_t steps() const { return steps_; }
  /// Of each class [num_classes], over the steps since reset(): the mean spike of its neurons (of a readout:
  /// the mean current; of an artificial network: the mean output). 0 before the first step.
  Span<const float> votes() const { return {votes_.data(), votes_.size()}; }
  /// The class of the highest vote, of equal ones the lowest, -1 where all votes are 0; and the best of the
  /// others, -1 without a best one or with one class (runtime/ranking.h).
  int best() const { return rank(votes()).best; }
  int runner_up() const { return rank(votes()).runner_up; }
  /// Spikes of each node since reset(), [nodes]; 0 of those that do not fire.
  Span<const std::int64_t> spike_counts() const { return {counts_.spikes.data(), counts_.spikes.size()}; }
  /// Since reset(), as reports count them (FanOut): of spikes, and of the input, whose values count events. A
  /// still image of run() has none.
  std::int64_t synaptic_operations() const { return counts_.synaptic_operations; }
  /// Of each class [num_classes]: the sum over its neurons and the steps since reset() that votes() is the
  /// mean of, and how many neurons it has.
  Span<const double> sums() const { return {sums_.data(), sums_.size()}; }
  Span<const std::int64_t> populations() const { return {populations_.data(), populations_.size()}; }

  /// From now on `after_step` is called after each step of step() and run(), with votes(), steps() and the
  /// two below of this step; empty: no longer. Costs room for both, and run() goes step by step. Observing
  /// changes no result.
  void observe(std::function<void()> after_step);
  /// What a node handed on at the last step, [H, W, C]: spikes, 0 or 1, or its values; empty where it hands
  /// nothing on (Neurons::kNone), and unless it is observed.
  Span<const float> outputs(std::size_t node) const { return state_.outputs(node); }
  /// Membrane potentials of a node at the last step before their reset, [H, W, C]; empty of nodes that do not
  /// spike, and unless it is observed.
  Span<const float> v_pre(std::size_t node) const { return state_.v_pre(node); }

 private:
  void check(Span<const float> input, std::int64_t steps) const;
  void advance(const NetworkState::Block& block);
  void vote();

  std::shared_ptr<const Network> network_;
  NetworkState state_;
  std::vector<float> mean_;  ///< of an artificial network's input
  std::vector<double> sums_;
  std::vector<std::int64_t> populations_;
  std::vector<float> votes_;
  NetworkState::Counts counts_;
  std::int64_t steps_ = 0;
  std::function<void()> after_step_;
};

}  // namespace spikeloom::runtime
