#pragma once
#include <nlohmann/json.hpp>

#include "spikeloom/train/session/trainer.h"

namespace spikeloom::train {

/// {"conv1": 0.12, ...}
inline nlohmann::ordered_json rates_object(const LayerRates& rates) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [layer, rate] : rates) object[layer] = rate;
  return object;
}

}  // namespace spikeloom::train
