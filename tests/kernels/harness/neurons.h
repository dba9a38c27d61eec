#pragma once
// Neurons that the cases of several kernels run over.
#include <string>
#include <vector>

#include "tests/kernels/values.h"

namespace spikeloom::kernels::harness {

/// Every surrogate, with both resets of the plain neuron, cut and not; and a triangle that is so narrow that
/// it has another code.
inline std::vector<NeuronParams> plain_neurons() {
  std::vector<NeuronParams> all;
  for (const auto surrogate :
       {Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid, Surrogate::kArctan}) {
    for (const auto reset : {Reset::kZero, Reset::kSubtract}) {
      for (const bool detach : {false, true}) {
        NeuronParams params;
        params.surrogate = surrogate;
        params.reset = reset;
        params.detach_reset = detach;
        all.push_back(params);
      }
    }
  }
  for (const auto reset : {Reset::kZero, Reset::kSubtract}) {
    NeuronParams narrow;
    narrow.surrogate = Surrogate::kTriangular;
    narrow.surrogate_width = 0.2 * narrow.v_threshold;
    narrow.reset = reset;
    all.push_back(narrow);
  }
  return all;
}

inline std::string describe(const NeuronParams& params) {
  return "surrogate " + std::to_string(static_cast<int>(params.surrogate)) + " width " +
         std::to_string(params.surrogate_width) + " reset " + std::to_string(static_cast<int>(params.reset)) +
         (params.detach_reset ? ", detached" : "") + (params.smooth ? ", smooth" : "") +
         (params.learnable ? ", learnable" : "") + " v_reset " + std::to_string(params.v_reset) +
         " current " + std::to_string(params.current_decay);
}

inline std::string describe(const LifSize& size, const NeuronParams& params) {
  return "T " + std::to_string(size.num_steps) + " neurons " + std::to_string(size.neurons) +
         (size.static_input ? " static, " : ", ") + describe(params);
}

}  // namespace spikeloom::kernels::harness
