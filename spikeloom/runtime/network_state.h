#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/runtime/arithmetic/active_inputs.h"
#include "spikeloom/runtime/arithmetic/sparse_product.h"
#include "spikeloom/runtime/fan_out.h"
#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// The state of a network's nodes, which it takes over some steps at once, a block: node by node, and in each
/// all steps of the block, so that weights are read once for all of them. Only a node's own recurrence
/// (potentials, recurrent weights, NeuNorm) goes from step to step, in their order: the bits do not depend on
/// the lengths of the blocks. Spikes between nodes are packed, a bit each; currents and values of one node at
/// a time lie in memory that all nodes share. Nothing is allocated after the constructor. For a block it
/// takes 8 MiB at most (most_steps()) where one step takes less, and 64 MiB at most for lists of an
/// event-driven layer's spikes, of which only what they fill becomes resident.
class NetworkState {
 public:
  explicit NetworkState(const Network& network);

  /// Back to the beginning.
  void reset();

  /// What a block is given.
  struct Block {
    const float* input = nullptr;  ///< [steps, H, W, C], or [H, W, C] where it is the same at all steps
    std::int64_t first = 0;        ///< steps before it, since reset()
    std::int64_t steps = 1;        ///< 1 ... most_steps()
    bool same_input = false;
    bool input_is_events = true;  ///< its values count events
  };
  struct Counts {
    std::vector<std::int64_t> spikes;  ///< of each node
    std::int64_t synaptic_operations = 0;
  };
  /// Adds what happens to counts.
  void advance(const Block& block, Counts& counts);

  /// Steps of the longest block: 16, fewer where what is kept for each (packed spikes; values of neurons that
  /// do not spike; currents that a residual block adds; inputs and currents of a fully connected layer) would
  /// take more than 8 MiB; 1 while it is observed.
  std::int64_t most_steps() const { return observed_ ? 1 : most_steps_; }

  /// sums [num_classes] += what the last node's neurons handed on at a step of the last block.
  void add_votes(std::int64_t step, Span<double> sums) const;

  /// Whether outputs() and v_pre() are kept.
  void observe(bool observed);
  Span<const float> outputs(std::size_t node) const { return span(nodes_[node].outputs); }
  Span<const float> v_pre(std::size_t node) const { return span(nodes_[node].v_pre); }

 private:
  struct NodeState {
    enum { kEvents, kMatrix, kConvolution } kind = kConvolution;
    bool takes_values = false;      ///< of one node, or the input, as they are
    bool changes_current = false;   ///< it is more than the product
    bool is_shortcut = false;       ///< its current is added to that of another node
    std::int64_t size = 0;          ///< of the output
    std::int64_t band = 0;          ///< rows of the output, or pixels of several steps, that go together
    float spikes_per_value = 0.0f;  ///< of what the product takes (active_inputs.h)
    std::optional<FanOut> fan_out;  ///< where that does not show it: connections are counted one by one
    kernels::EventLayer layer;      ///< of kEvents
    std::vector<float> synapse, v;
    std::vector<std::uint8_t> spikes;   ///< [step], packed
    std::vector<float> values;          ///< [step, output] of neurons that do not spike
    std::unique_ptr<float[]> current;   ///< [step, output] of a shortcut
    std::vector<float> outputs, v_pre;  ///< while observed
    struct NeuNormState {
      std::vector<float> x, values;
    };
    std::vector<NeuNormState> neunorm;  ///< of each connection
  };
  /// Memory for one node at a time.
  struct Scratch {
    std::vector<float> x, source;               ///< what a product takes; spikes of a node as values
    std::unique_ptr<float[]> current, changed;  ///< products; where they are kept, what becomes of them
    std::vector<std::uint8_t> windows;          ///< packed spikes that a pooling gives
  };

  static Span<const float> span(const std::vector<float>& values) { return {values.data(), values.size()}; }
  void choose_path(const Node& node, NodeState& state) const;
  void choose_block();
  void make_room(std::size_t n);
  std::int64_t bytes_of_step(std::size_t n) const;
  std::int64_t scratch_values(const NodeState& state, const Node& node) const;

  const float* values_of(int source, std::int64_t step);
  const std::uint8_t* spikes_of(int source, std::int64_t step) const;
  const float* gather(std::size_t n, std::int64_t step, Counts& counts);
  void list(std::size_t n, std::int64_t step, Counts& counts);
  void advance_events(std::size_t n, Counts& counts);
  void advance_matrix(std::size_t n, Counts& counts);
  void advance_convolution(std::size_t n, Counts& counts);
  void finish(std::size_t n, std::int64_t step, std::int64_t first, std::int64_t count, float* current,
              Counts& counts);
  void fire(std::size_t n, std::int64_t step, std::int64_t first, std::int64_t count, const float* current,
            bool rounds, Counts& counts);

  const Network& network_;
  std::vector<NodeState> nodes_;
  Scratch scratch_;
  ActiveInputs active_;
  MatrixRoom matrix_;
  kernels::cpu::EventForwardRoom events_;
  std::int64_t most_steps_ = 1;
  std::int64_t last_step_ = 0;  ///< of the block before
  bool observed_ = false;
  Block block_;
};

}  // namespace spikeloom::runtime
