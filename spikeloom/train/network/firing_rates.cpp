#include "spikeloom/train/network/firing_rates.h"

namespace spikeloom::train {

void FiringRates::add(const Network& network, const engine::Sums& sums) {
  const auto neuron_steps = network.neuron_steps();
  std::size_t layer = 0;
  for (std::size_t stage = 0; stage < neuron_steps.size(); ++stage) {
    if (neuron_steps[stage] == 0) continue;
    if (layer == layers.size()) layers.push_back({network.program().stages[stage].name, 0.0, 0.0});
    layers[layer].spikes += static_cast<double>(sums.spikes[stage]);
    layers[layer].neuron_steps += static_cast<double>(neuron_steps[stage] * sums.samples);
    ++layer;
  }
}

std::vector<std::pair<std::string, double>> FiringRates::rates() const {
  std::vector<std::pair<std::string, double>> result;
  for (const auto& layer : layers) {
    result.emplace_back(layer.name, layer.neuron_steps > 0.0 ? layer.spikes / layer.neuron_steps : 0.0);
  }
  return result;
}

}  // namespace spikeloom::train
