#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/train/network/network.h"

namespace spikeloom::train {

/// Sums of spikes over batches -> firing rates. Internal to train.
class FiringRates {
 public:
  /// What a network's engine counted of so many samples.
  void add(const Network& network, const engine::Sums& sums);
  std::vector<std::pair<std::string, double>> rates() const;
  void clear() { layers.clear(); }

  struct Layer {
    std::string name;
    double spikes = 0.0;  ///< whole numbers, exact up to 2^53
    double neuron_steps = 0.0;
  };
  std::vector<Layer> layers;  ///< public: part of a checkpoint
};

}  // namespace spikeloom::train
