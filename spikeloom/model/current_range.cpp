#include "spikeloom/model/current_range.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/batch_norm_params.h"

namespace spikeloom::model {
namespace {

class Bounds {
 public:
  Bounds(const Program& program, const std::vector<std::vector<float>>& slots)
      : program_(program), slots_(slots) {}

  void check() {
    for (const Stage& stage : program_.stages) {
      const double current = current_of(stage);
      check_neurons(stage, current);
      currents_.push_back(current);
      outputs_.push_back(stage.neuron.fires() ? 1.0 : current);
    }
  }

 private:
  [[noreturn]] static void refuse(const Stage& stage, const std::string& what, double value) {
    char number[32];
    std::snprintf(number, sizeof number, "%.2g", value);
    throw NumericsError("layer " + stage.name + ": " + what + " of up to " + number +
                        " overflow: the network's parameters are out of all bounds");
  }

  /// Largest magnitude in a slot; 0 without one.
  double most(int slot) const {
    float result = 0.0f;
    if (slot == kNoSlot) return result;
    for (const float value : slots_[static_cast<std::size_t>(slot)])
      result = std::max(result, std::fabs(value));
    return result;
  }

  double input_of(const Stage& stage) const {
    double sum = 0.0;
    for (const Edge& edge : stage.inputs) {
      if (edge.stage == kInput) {
        sum += kLargestInput;
        continue;
      }
      const auto source = static_cast<std::size_t>(edge.stage);
      double value = outputs_[source];
      if (!edge.is_plain()) {
        const kernels::NeuNormParams& params = program_.stages[source].neunorm;
        const double channels = static_cast<double>(program_.stages[source].product.output.channels);
        const double trace = std::fabs(params.coefficient) * channels * value / (1.0 - params.decay);
        value += most(edge.neunorm_u) * trace;
      }
      sum += value;
    }
    return sum;
  }

  double current_of(const Stage& stage) const {
    const Product& product = stage.product;
    const double rows = product.is_convolution() ? static_cast<double>(product.kernel) * product.kernel *
                                                       static_cast<double>(product.input.channels)
                                                 : static_cast<double>(product.input.size());
    double current = most(product.weight) * rows * input_of(stage) + most(product.bias);
    if (stage.norm.kind != NormKind::kNone) {
      const kernels::BatchNormParams params{stage.norm.epsilon, stage.norm.factor};
      const auto& scale = slots_[static_cast<std::size_t>(stage.norm.scale)];
      const auto& variance = slots_[static_cast<std::size_t>(stage.norm.variance)];
      double slope = 0.0;
      for (std::size_t f = 0; f < scale.size(); ++f) {
        const double one = std::fabs(kernels::batch_norm_slope(params, scale[f], variance[f]));
        if (!(one <= kLargestCurrent)) refuse(stage, "normalisation by factors", one);
        slope = std::max(slope, one);
      }
      current = slope * (current + most(stage.norm.mean)) + most(stage.norm.shift);
      if (stage.norm.step_scale != kNoSlot) current *= most(stage.norm.step_scale);
    }
    for (const int source : stage.shortcuts) current += currents_[static_cast<std::size_t>(source)];
    if (stage.recurrent != kNoSlot)
      current += most(stage.recurrent) * static_cast<double>(product.output.size());
    if (!(current <= kLargestCurrent)) refuse(stage, "currents", current);
    return current;
  }

  void check_neurons(const Stage& stage, double current) const {
    if (!stage.neuron.fires()) return;
    const kernels::NeuronParams& params = stage.neuron.params;
    const double threshold = std::max(std::fabs(params.v_threshold), most(stage.neuron.v_threshold));
    const double decay = std::max(std::fabs(params.decay), most(stage.neuron.decay));
    if (!(decay <= 1.0)) refuse(stage, "potentials with a decay", decay);
    const double synapse = current / (1.0 - params.current_decay);
    const double v = std::max({synapse, threshold, std::fabs(params.v_reset)});
    if (!(v <= kLargestCurrent)) refuse(stage, "potentials", v);
  }

  const Program& program_;
  const std::vector<std::vector<float>>& slots_;
  std::vector<double> currents_, outputs_;  ///< bounds of the stages so far
};

}  // namespace

void check_currents(const Program& program, const std::vector<std::vector<float>>& slots) {
  if (program.spiking) Bounds(program, slots).check();
}

}  // namespace spikeloom::model
