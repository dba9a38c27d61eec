#pragma once
#include <string>
#include <vector>

#include "spikeloom/formats/tensorboard/event_file.h"
#include "spikeloom/train/network/network.h"

namespace spikeloom::train {

/// What a layer of LIF neurons does with a batch.
struct LayerPotentials {
  std::string layer;
  formats::Histogram histogram;  ///< of v before the reset (v_pre), every sample, neuron and step
  std::vector<float> spikes;     ///< [steps, neurons] of the first sample
};

/// Of every layer that fires. Exact but for what the backend rounds; without recurrent layers, whose own
/// spikes the engine does not show. The batch's spikes are not counted. Internal to train.
std::vector<LayerPotentials> membrane_potentials(Network& network, const engine::Batch& batch);

}  // namespace spikeloom::train
