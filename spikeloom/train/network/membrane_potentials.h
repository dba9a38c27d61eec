#pragma once
#include <string>
#include <vector>

#include "spikeloom/formats/tensorboard/event_file.h"
#include "spikeloom/train/network/network.h"

namespace spikeloom::train {

/// What a layer does with a batch.
struct LayerPotentials {
  std::string layer;
  bool fires = false;
  /// Every sample, neuron and step: v before the reset (v_pre); of a layer that does not fire, what it puts
  /// out.
  formats::Histogram histogram;
  std::vector<float> spikes;  ///< [steps, neurons] of the first sample; empty unless it fires
};

/// Of every layer. Exact but for what the backend rounds. The batch's spikes are not counted. Internal to
/// train.
std::vector<LayerPotentials> membrane_potentials(Network& network, const engine::Batch& batch);

}  // namespace spikeloom::train
