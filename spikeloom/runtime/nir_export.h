#pragma once
#include <cstdint>

#include "spikeloom/exchange/nir_simulator.h"
#include "spikeloom/formats/nir/graph.h"
#include "spikeloom/runtime/network.h"

namespace spikeloom::runtime {

/// The graph of NIR that steps as this network does, with steps of dt seconds, by forward Euler. Layers keep
/// their names; "NAME.neurons" are their neurons, "output_votes" the mean over the neurons of each class.
///   decay d, current_decay c   tau = dt / (1 - d), r = 1 / (1 - d), tau_syn = dt / (1 - c), w_in = 1 / (1 -
///   c) v >= v_threshold           v > the float below v_threshold NeuNorm                    a convolution
///   to one channel, LI, a convolution back, Scale by U
/// dt and kind of reset are metadata, which NIR does not define. Throws ConfigError, naming the layer, for
/// what NIR cannot express (docs/nir.md). Weights are the network's as they are: make it without rounding.
formats::NirGraph nir_graph(const Network& network, double dt);

/// How nir_graph(network, dt) is to be run.
exchange::NirOptions nir_options(const Network& network, double dt);

/// The network beside its graph.
struct NirComparison {
  std::int64_t steps = 0;
  std::int64_t spikes = 0;            ///< of the network's neurons, over all steps
  std::int64_t different_spikes = 0;  ///< sum over nodes of the differences of their counts in each step
  double largest_vote_difference = 0.0;
};

/// Runs both on the same made-up input, num_steps steps of sparse counts of events, `samples` times.
NirComparison compare_with_nir(const std::shared_ptr<const Network>& network, const formats::NirGraph& graph,
                               double dt, int samples);

}  // namespace spikeloom::runtime
