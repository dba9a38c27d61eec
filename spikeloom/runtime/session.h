#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/runtime/fan_out.h"
#include "spikeloom/runtime/network.h"
#include "spikeloom/runtime/ranking.h"
#include "spikeloom/runtime/sparse_product.h"

namespace spikeloom::runtime {

/// One sample, or one stream, going through a network: its state. Any number of sessions may share a network,
/// each used by one thread at a time. Nothing is allocated after the constructor. What it computes is the
/// same, to the last bit, step by step and in one run, on any machine: sums in float, in memory order. The
/// engine that trains sums in another order (and in bfloat16 or 16-bit weights where its settings say so), so
/// that a potential within rounding of the threshold may fall on the other side: docs/runtime.md.
class Session {
 public:
  /// State as reset() leaves it.
  explicit Session(std::shared_ptr<const Network> network);

  const Network& network() const { return *network_; }
  const std::shared_ptr<const Network>& shared_network() const { return network_; }

  /// Back to the beginning: potentials, currents, NeuNorm and votes are 0.
  void reset();

  /// One step: input [H, W, C]. Throws ShapeError for another number of values, and at a step that TEBN has
  /// no factor for; NumericsError for values that are not finite; ConfigError for an artificial network,
  /// which has no steps. State is then as it was. NumericsError too where votes
  /// are not finite; then reset() is what goes on.
  void step(Span<const float> input);

  /// From reset() on, a whole sample: [steps, H, W, C], or [H, W, C], a still image, shown for the network's
  /// num_steps steps and convolved once. Throws as step() does.
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
  Span<const std::int64_t> spike_counts() const { return {spike_counts_.data(), spike_counts_.size()}; }
  /// Since reset(), as reports count them (FanOut): of spikes, and of the input, whose values count events. A
  /// still image of run() has none.
  std::int64_t synaptic_operations() const { return synaptic_operations_; }
  /// Of each class [num_classes]: the sum over its neurons and the steps since reset() that votes() is the
  /// mean of, and how many neurons it has.
  Span<const double> sums() const { return {sums_.data(), sums_.size()}; }
  Span<const std::int64_t> populations() const { return {populations_.data(), populations_.size()}; }

  /// From now on `after_step` is called after each step of step() and run(), with votes(), steps() and the
  /// two below of this step; empty: no longer. Costs room for v_pre. Observing changes no result.
  void observe(std::function<void()> after_step);
  /// What a node handed on at the last step, [H, W, C]: spikes, 0 or 1, or its values; empty where it hands
  /// nothing on (Neurons::kNone).
  Span<const float> outputs(std::size_t node) const;
  /// Membrane potentials of a node at the last step before their reset, [H, W, C]; empty of nodes that do not
  /// spike, and unless it is observed.
  Span<const float> v_pre(std::size_t node) const;

 private:
  struct NodeState {
    std::vector<float> x;        ///< what the product takes, where it is not another node's output
    std::vector<float> product;  ///< of a node that reads the input and changes what becomes its current
    // Without product, current keeps it: of a still image it is computed once.
    std::vector<float> current, synapse, v, output;
    std::vector<float> v_pre;       ///< while observed
    float spikes_per_value = 0.0f;  ///< of what the product takes (sparse_product.h)
    std::optional<FanOut> fan_out;  ///< where that does not show it: connections are counted one by one
    struct NeuNormState {
      std::vector<float> x, values;
    };
    std::vector<NeuNormState> neunorm;  ///< of each connection
  };

  void check(Span<const float> input, std::int64_t steps) const;
  void advance(const float* input, bool same_input);
  const float* gather(const Node& node, NodeState& state, const float* input);
  void fire(const Node& node, NodeState& state, std::int64_t& spikes) const;
  void vote();

  std::shared_ptr<const Network> network_;
  std::vector<NodeState> states_;
  ProductRoom room_;
  std::vector<float> mean_;  ///< of an artificial network's input
  std::vector<double> sums_;
  std::vector<std::int64_t> populations_;
  std::vector<float> votes_;
  std::vector<std::int64_t> spike_counts_;
  std::int64_t steps_ = 0, synaptic_operations_ = 0;
  bool input_is_events_ = true;
  std::function<void()> after_step_;
};

}  // namespace spikeloom::runtime
