#pragma once
// What the compact state keeps of the membrane potential before reset: whether the surrogate window is open,
// or an 8-bit code of x = v_pre - v_threshold where the gradient depends on its value.
//   half = a/2 (rectangular), a (triangular): the surrogate is 0 outside |x| < half, code 0
//   half = 2a (sigmoid, arctan): x is taken as +-half where it lies outside
//   code = 1 + min(floor((x + half) * 255 / (2 half)), 254)      decoded x = (code - 1/2) * 2 half / 255 -
//   half
// so that the decoded x is within half / 255 of the true one inside the window.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::kernels {

enum class CompactState {
  kWindowBit,  ///< 1 bit: enough for the rectangular surrogate unless the reset path needs v_pre
  kCode,       ///< 8 bits
};

/// The smallest state from which the gradient of these neurons can be computed.
inline CompactState compact_state(const NeuronParams& params) {
  const bool needs_v_pre = params.reset == Reset::kZero && !params.detach_reset;
  return params.surrogate == Surrogate::kRectangular && !needs_v_pre ? CompactState::kWindowBit
                                                                     : CompactState::kCode;
}

/// Whether the surrogate is 0 away from the threshold.
inline bool closes(Surrogate surrogate) {
  return surrogate == Surrogate::kRectangular || surrogate == Surrogate::kTriangular;
}

class VPreCode {
 public:
  explicit VPreCode(const NeuronParams& params)
      : half(static_cast<float>(params.surrogate_width) * factor(params.surrogate)),
        closes(kernels::closes(params.surrogate)),
        per_x(255.0f / (2.0f * half)),
        step(2.0f * half / 255.0f) {}

  SPIKELOOM_HOST_DEVICE std::uint8_t encode(float x) const {
    if (closes && !(std::fabs(x) < half)) return 0;
    const float position = std::floor((std::max(-half, std::min(half, x)) + half) * per_x);
    return static_cast<std::uint8_t>(1 + static_cast<int>(std::min(position, 254.0f)));
  }
  SPIKELOOM_HOST_DEVICE float decode(std::uint8_t code) const {
    return (static_cast<float>(code) - 0.5f) * step - half;
  }

  const float half;
  const bool closes;  ///< code 0 exists
  const float per_x, step;

 private:
  static float factor(Surrogate surrogate) {
    if (surrogate == Surrogate::kRectangular) return 0.5f;
    return surrogate == Surrogate::kTriangular ? 1.0f : 2.0f;
  }
};

}  // namespace spikeloom::kernels
