#pragma once
// What the compact state keeps of the membrane potential before reset: whether the surrogate window is open,
// or a code of x = v_pre - v_threshold where the gradient depends on its value.
// The sign of x is the spike, so that a code stands for |x|, with c = half the surrogate's width a.
// A surrogate that is 0 away from the threshold has codes of 8 bits: half = a/2 (rectangular), a
// (triangular), code 0 where |x| >= half,
//   code = 1 + min(floor(|x| * 255 / half), 254)       decoded |x| = (code - 1/2) * half / 255
// so that the decoded x is within half / 510 of the true one.
// A surrogate that is 0 nowhere (sigmoid, arctan), a narrow triangle (is_narrow), and every one where decay
// and v_threshold are learnable and need v_pre everywhere (NeuronParams::learnable), have codes of 16 bits:
//   code = min(floor(65536 c / (|x| + c)), 65535)      decoded |x| = 65536 c / (code + 1/2) - c
// Steps of |x| are c/65536 at the threshold and grow as (|x| + c)^2, about as 1 / (dh/dx)^(2/3), which for a
// given number of codes makes the least square error of h; |x| has no bound, and both h(x) and x h(x), which
// the reset path needs, keep their tails. 8 bits are not enough: with narrow surrogates the error is
// amplified over the steps and reaches 1 to 2 % of an update, whatever c is. NaN has the code of |x| = 0.
// The decoded |x| is within (|x| + c)^2 / 131072c of the true one: 4e-6 of the width at the threshold, 0.1 %
// of |x| at 127c = 63 widths. |x| = c is where code 32767 ends and 32768 begins; with the rectangular
// surrogate they are kept apart exactly, so that the decoded x is in the window where x is (NaN is not: code
// 32767). The gradients of decay and v_threshold, whose terms hold v_pre, have errors of random sign: below
// 0.5 % of the exact ones in tests/kernels/harness/compact_lif_kernels.cpp, also where their terms nearly
// cancel. What it costs: docs/performance.md, measured by tests/backends/compact_error_test.cpp.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels {

enum class CompactState {
  kWindowBit,  ///< 1 bit: enough for the rectangular surrogate unless the reset path needs v_pre
  kOpenCode,   ///< 8 bits, 0 where the window is closed
  kTailCode,   ///< 16 bits, of a surrogate that is 0 nowhere, of a narrow one, or with learnable parameters
};

/// Whether the surrogate is 0 away from the threshold.
inline bool closes(Surrogate surrogate) {
  return surrogate == Surrogate::kRectangular || surrogate == Surrogate::kTriangular;
}

/// Whether codes of 8 bits would make errors above 1 % of an update: the error of a triangle's slope grows as
/// 1 / width, and each step amplifies what comes back through the reset as v_threshold / width (with a width
/// of 0.13 thresholds tests/backends/compact_error_test.cpp measured 0.98 %; docs/performance.md).
inline bool is_narrow(const NeuronParams& params) {
  return params.surrogate == Surrogate::kTriangular && params.surrogate_width < 0.3 * params.v_threshold;
}

/// The smallest state from which the gradient of these neurons can be computed.
inline CompactState compact_state(const NeuronParams& params) {
  if (params.learnable || !closes(params.surrogate) || is_narrow(params)) return CompactState::kTailCode;
  const bool needs_v_pre = params.reset == Reset::kZero && !params.detach_reset;
  return params.surrogate == Surrogate::kRectangular && !needs_v_pre ? CompactState::kWindowBit
                                                                     : CompactState::kOpenCode;
}

/// Whether a surrogate that closes is kept with codes of 16 bits, which few neurons are.
inline bool closes_with_tail_code(const NeuronParams& params) {
  return closes(params.surrogate) && compact_state(params) == CompactState::kTailCode;
}

/// Bytes of a code.
constexpr std::int64_t code_bytes(CompactState state) { return state == CompactState::kTailCode ? 2 : 1; }

/// Bytes of one step of `neurons` neurons where every neuron's bit or code is kept: bits as in
/// packed_spikes.h, codes in the neurons' order, those of 16 bits in the processor's byte order.
inline std::int64_t state_bytes(const NeuronParams& params, std::int64_t neurons) {
  const CompactState state = compact_state(params);
  return state == CompactState::kWindowBit ? packed_bytes(neurons) : neurons * code_bytes(state);
}

class VPreCode {
 public:
  explicit VPreCode(const NeuronParams& params)
      : closes(compact_state(params) != CompactState::kTailCode),
        exact_window(!closes && params.surrogate == Surrogate::kRectangular),
        half(static_cast<float>(params.surrogate_width) *
             (params.surrogate == Surrogate::kRectangular ? 0.5f : 1.0f)),
        per_x(255.0f / half),
        step(half / 255.0f),
        offset(0.5f * static_cast<float>(params.surrogate_width)),
        numerator(65536.0f * offset) {}

  /// Fits into 8 bits if `closes`.
  SPIKELOOM_HOST_DEVICE std::uint16_t encode(float x) const {
    if (!closes) {
      const float position = numerator / (std::fabs(x) + offset);
      const float code = position < 65535.0f ? position : 65535.0f;
      if (!exact_window) return static_cast<std::uint16_t>(code);
      const bool open = std::fabs(x) < half;
      return static_cast<std::uint16_t>(open ? std::fmax(code, kOpenFrom) : std::fmin(code, kClosedTo));
    }
    if (!(std::fabs(x) < half)) return 0;
    const float position = std::floor(std::fabs(x) * per_x);
    return static_cast<std::uint16_t>(1 + static_cast<int>(std::min(position, 254.0f)));
  }
  SPIKELOOM_HOST_DEVICE float decode(std::uint16_t code, bool fired) const {
    const float distance = closes ? (static_cast<float>(code) - 0.5f) * step
                                  : numerator / (static_cast<float>(code) + 0.5f) - offset;
    return fired ? distance : -distance;
  }

  /// Codes of 16 bits whose decoded x is in, and out of, the rectangular window.
  static constexpr float kOpenFrom = 32768.0f, kClosedTo = 32767.0f;

  const bool closes;              ///< code 0 stands for "the surrogate is 0": not CompactState::kTailCode
  const bool exact_window;        ///< the codes above are kept apart
  const float half, per_x, step;  ///< if it closes: codes per |x|, and its inverse
  const float offset, numerator;  ///< if it does not: c and 65536 c
};

}  // namespace spikeloom::kernels
