#pragma once
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/formats/tensorboard/event_file.h"
#include "spikeloom/train/network/network.h"

namespace spikeloom::train {

/// Membrane potentials before the reset (v_pre) of every LIF neuron at every step, for a batch: a histogram a
/// layer. Exact but for what the backend rounds; without recurrent layers, whose own spikes the engine does
/// not show. The batch's spikes are not counted. Internal to train.
std::vector<std::pair<std::string, formats::Histogram>> membrane_potentials(Network& network,
                                                                            const engine::Batch& batch);

}  // namespace spikeloom::train
