#pragma once
// Runs graphs of the Neuromorphic Intermediate Representation step by step: plain and exact, not fast.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"
#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::exchange {

/// What a graph leaves open: it states differential equations, not how they are stepped.
struct NirOptions {
  double dt = 1e-3;  ///< seconds a step, > 0
  /// What a spike does to v: v = v_reset, or v = v - v_threshold (v_reset is not used).
  enum class Reset { kToReset, kSubtract } reset = Reset::kToReset;
  /// How v' = (x - v) / tau becomes a step.
  ///   kEuler        v = v + dt / tau (x - v)
  ///   kExponential  v = x + exp(-dt / tau) (v - x), exact for an input that is constant within the step
  enum class Method { kEuler, kExponential } method = Method::kEuler;
  /// I and IF add R I once a step (I counts what came in during it), as simulators do, or dt R I.
  bool integrate_dt = false;
  /// A neuron whose v reaches n v_threshold in a step fires n times in it, and gives n: Sinabs's MultiSpike.
  /// Else it fires once at most.
  bool several_spikes = false;
  /// Lowest v that a neuron can have, before it is compared with its threshold: Sinabs's min_v_mem, which
  /// graphs do not store. Nullopt: none.
  std::optional<double> v_min;
};

/// A graph being run. In each step, in this order:
///   1. Nodes are computed in topological order; several edges into a node are summed. An edge that closes a
///      cycle (found depth-first from the inputs) brings what its node gave in the step before, and in the
///      first step what it gives while no neuron fires.
///   2. LI, LIF: x = v_leak + R I, v as in Method. CubaLI, CubaLIF: i first, i' = (w_in I - i) / tau_syn,
///   then v
///      with the new i. I, IF: v = v + R I. v and i start at 0.
///   3. IF, LIF, CubaLIF fire where v > v_threshold, strictly, give 1, and are reset. LI, CubaLI, I give v.
///      Threshold gives 1 where the input is above it.
///   4. Delay gives what came in round(delay / dt) steps ago, 0 before.
/// All of it in double. One thread a simulator; copies share the weights.
class NirSimulator {
 public:
  /// Throws ShapeError (formats::nir_shapes), and for a graph without exactly one Input and one Output that
  /// an edge leads to, or with a tau <= 0, a delay below 0 or of more than 2^24 values; NumericsError for
  /// parameters that are not finite; ConfigError for a dt that is not positive and finite.
  NirSimulator(const formats::NirGraph& graph, const NirOptions& options);
  NirSimulator(const NirSimulator& other);
  NirSimulator(NirSimulator&&) noexcept;
  ~NirSimulator();

  const formats::NirShape& input_shape() const;
  const formats::NirShape& output_shape() const;
  /// Back to the first step.
  void reset();
  /// One step: input [input_shape], row-major; the result, [output_shape], is valid until the next step.
  /// Throws ShapeError for an input of another size; NumericsError, naming the node, where a potential, what
  /// a Threshold takes, or the result is not finite.
  Span<const double> step(Span<const double> input);
  /// Membrane potential of a node, by its name in the flat graph, after the reset of the last step. Throws
  /// ConfigError if there is no neuron of that name.
  Span<const double> v(const std::string& node) const;
  /// Spikes of all neurons since reset(): names of nodes and counts.
  std::vector<std::pair<std::string, std::int64_t>> spike_counts() const;
  /// Steps since reset().
  std::int64_t steps() const;
  /// Since reset(): each spike of a neuron (or event of the input) counts once for each synapse that it
  /// reaches in the product that it enters, through poolings, scales and delays too; what is no spike does
  /// not count.
  std::int64_t synaptic_operations() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spikeloom::exchange
