#pragma once
// Every kind of neuron: surrogates x resets x reset path on or cut x step or smooth.
#include <string>
#include <vector>

#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::ops::test {

/// decay and threshold lie on the grid of random_normal, so that thresholds and window edges are met exactly.
inline std::vector<kernels::NeuronParams> neuron_variants(std::vector<bool> smooth) {
  using kernels::Surrogate;
  std::vector<kernels::NeuronParams> result;
  for (const Surrogate surrogate :
       {Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid, Surrogate::kArctan}) {
    for (const kernels::Reset reset : {kernels::Reset::kZero, kernels::Reset::kSubtract}) {
      for (const bool detach : {false, true}) {
        for (const bool is_smooth : smooth) {
          kernels::NeuronParams params;
          params.decay = 0.5;
          params.v_threshold = 0.75;
          params.surrogate_width = 1.5;
          params.surrogate = surrogate;
          params.reset = reset;
          params.detach_reset = detach;
          params.smooth = is_smooth;
          result.push_back(params);
        }
      }
    }
  }
  return result;
}

inline std::string describe(const kernels::NeuronParams& params) {
  return "surrogate " + std::to_string(static_cast<int>(params.surrogate)) + " reset " +
         std::to_string(static_cast<int>(params.reset)) + " detached " + std::to_string(params.detach_reset) +
         " smooth " + std::to_string(params.smooth);
}

}  // namespace spikeloom::ops::test
