// Engine::calibrate.
#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/engine/engine.h"

namespace spikeloom::engine {

std::vector<double> Engine::calibrate(const Batch& batch, double firing_rate, CalibrationTarget target) {
  if (!program_.spiking) throw ConfigError("an artificial network has no firing rate to calibrate");
  if (!(firing_rate > 0.0 && firing_rate < 1.0)) {
    throw ConfigError("the firing rate must lie between 0 and 1, not " + std::to_string(firing_rate));
  }
  check(batch);
  std::vector<double> reached;
  Samples samples = samples_of(batch);
  const Pass pass;
  for (model::Stage& stage : program_.stages) {
    if (!stage.neuron.fires()) {
      Buffer current = whole_current(stage.number, samples, pass);
      backend_->fire(stage.number, std::move(current), samples, pass);
      continue;
    }
    Buffer current = whole_current(stage.number, samples, pass, true);
    // The rate grows with the scale: bisection on its logarithm.
    double low = -12.0, high = 12.0, rate = 0.0, scale = 1.0;
    for (int step = 0; step < 30; ++step) {
      const double middle = step == 0 ? 0.0 : 0.5 * (low + high);
      scale = std::exp2(middle);
      rate = backend_->firing_rate(stage.number, current, samples, scale);
      if (std::abs(rate - firing_rate) < 0.005 * firing_rate) break;
      (rate < firing_rate ? low : high) = middle;
    }
    if (target == CalibrationTarget::kWeights) {
      for (const int slot : stage.scaling_slots()) {
        std::vector<float> values = read(slot);
        for (float& value : values) value *= static_cast<float>(scale);
        write(slot, {values.data(), values.size()});
      }
    } else {
      // The surrogate's width keeps its ratio to the threshold.
      stage.neuron.params.v_threshold /= scale;
      stage.neuron.params.surrogate_width /= scale;
    }
    reached.push_back(rate);
    current = whole_current(stage.number, samples, pass);
    backend_->fire(stage.number, std::move(current), samples, pass);
    release_dead(stage.number, samples);
  }
  backend_->collect();  // nobody asked for these
  return reached;
}

}  // namespace spikeloom::engine
