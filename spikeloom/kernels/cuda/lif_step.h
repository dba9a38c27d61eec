#pragma once
// One neuron, one step: the arithmetic of reference/compact_lif.h, operation by operation, for the host and a
// device. At the bandwidth of a device's memory some 20 instructions are left for each neuron and step, so
// they are counted here.
#include <cmath>
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/reference/surrogate.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::kernels::cuda {

/// Byte i of a word, i a constant after unrolling, as a float. On a device without its slow conversion: an
/// integer below 2^23 in the mantissa of 2^23 makes 2^23 more than itself.
SPIKELOOM_HOST_DEVICE inline float float_of_byte(std::uint32_t word, int i) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7650u + static_cast<unsigned int>(i))) - 8388608.0f;
#else
  return static_cast<float>(word >> (8 * i) & 0xffu);
#endif
}

/// Half i of a word, i a constant after unrolling, as a float: as float_of_byte.
SPIKELOOM_HOST_DEVICE inline float float_of_half(std::uint32_t word, int i) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(__byte_perm(word, 0x4b000000u, i == 0 ? 0x7610u : 0x7632u)) - 8388608.0f;
#else
  return static_cast<float>(word >> (16 * i) & 0xffffu);
#endif
}

/// 1 + floor(value), value in [0, 255), in the lowest byte; a device leaves anything in the others. The same
/// trick the other way round: a sum in [2^23, 2^24) that is rounded down has no fraction.
SPIKELOOM_HOST_DEVICE inline std::uint32_t one_plus_floor(float value) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(__fadd_rd(value, 8388609.0f));
#else
  return 1u + static_cast<std::uint32_t>(value);
#endif
}

/// floor(value), value in [0, 65536), in the lower half, as one_plus_floor.
SPIKELOOM_HOST_DEVICE inline std::uint32_t floor_of(float value) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(__fadd_rd(value, 8388608.0f));
#else
  return static_cast<std::uint32_t>(value);
#endif
}

/// The lowest bytes of four numbers as one word, the first one lowest.
SPIKELOOM_HOST_DEVICE inline std::uint32_t word_of_bytes(std::uint32_t b0, std::uint32_t b1, std::uint32_t b2,
                                                         std::uint32_t b3) {
#ifdef __CUDA_ARCH__
  return __byte_perm(__byte_perm(b0, b1, 0x0040), __byte_perm(b2, b3, 0x0040), 0x5410);
#else
  return (b0 & 0xffu) | (b1 & 0xffu) << 8 | (b2 & 0xffu) << 16 | b3 << 24;
#endif
}

/// The lower halves of two numbers as one word, the first one lower.
SPIKELOOM_HOST_DEVICE inline std::uint32_t word_of_halves(std::uint32_t h0, std::uint32_t h1) {
#ifdef __CUDA_ARCH__
  return __byte_perm(h0, h1, 0x5410);
#else
  return (h0 & 0xffffu) | h1 << 16;
#endif
}

/// What compact_lif_forward keeps of v_pre: nothing, window bits, codes with 0 for a closed window, codes of
/// a surrogate that has tails.
enum class Kept { kNothing, kWindow, kOpenCode, kTailCode };

/// code_bytes of it.
constexpr int code_bytes(Kept kept) { return kept == Kept::kTailCode ? 2 : 1; }

struct ForwardStep {
  explicit ForwardStep(const NeuronParams& params)
      : decay(static_cast<float>(params.decay)),
        v_threshold(static_cast<float>(params.v_threshold)),
        half(VPreCode(params).half),
        per_x(VPreCode(params).per_x),
        offset(VPreCode(params).offset),
        numerator(VPreCode(params).numerator),
        exact_window(VPreCode(params).exact_window),
        v_reset(static_cast<float>(params.v_reset)),
        current_decay(static_cast<float>(params.current_decay)),
        reset(params.reset) {}

  /// v_post of the step before becomes that of this one; returns whether the neuron fires; x = v_pre -
  /// v_threshold.
  template <bool kToZero>
  SPIKELOOM_HOST_DEVICE bool fire(float current, float& v_post, float& x) const {
    const float v = decay * v_post + current;
    const bool fires = v >= v_threshold;
    x = v - v_threshold;
    v_post = fires ? (kToZero ? 0.0f : x) : v;
    return fires;
  }

  /// The same of any neuron (is_plain): the synaptic current of the step before becomes that of this one.
  SPIKELOOM_HOST_DEVICE bool fire_general(float input, float& current, float& v_post, float& x) const {
    current = current_decay == 0.0f ? input : current_decay * current + input;
    const float v = decay * v_post + current;
    const bool fires = v >= v_threshold;
    x = v - v_threshold;
    v_post = v;
    if (fires && reset == Reset::kZero) v_post = v_reset;
    if (fires && reset == Reset::kSubtract) v_post = x;
    return fires;
  }

  SPIKELOOM_HOST_DEVICE bool is_open(float x) const { return fabsf(x) < half; }

  /// VPreCode::encode in the lowest byte, or in the lower half.
  template <Kept kKept>
  SPIKELOOM_HOST_DEVICE std::uint32_t encode(float x) const {
    if constexpr (kKept == Kept::kOpenCode) {
      if (!is_open(x)) return 0u;
      return one_plus_floor(fminf(fabsf(x) * per_x, 254.0f));
    } else {
      float position = fminf(numerator / (fabsf(x) + offset), 65535.0f);
      if (exact_window) {
        position = is_open(x) ? fmaxf(position, VPreCode::kOpenFrom) : fminf(position, VPreCode::kClosedTo);
      }
      return floor_of(position);
    }
  }

  float decay, v_threshold, half, per_x, offset, numerator;
  bool exact_window;
  float v_reset, current_decay;  ///< of fire_general, and the reset
  Reset reset;
};

/// How the surrogate is found from what was kept: from the window bit, or from the code. A rectangular one
/// with codes is always that of a reset to zero with the path through it (compact_state).
enum class Slope { kWindow, kRectangular, kTriangular, kSigmoid, kArctan };

constexpr bool has_tails(Slope slope) { return slope == Slope::kSigmoid || slope == Slope::kArctan; }

/// code_bytes of what it is found from.
constexpr int code_bytes(Slope slope) { return has_tails(slope) ? 2 : 1; }

inline Slope slope_of(const NeuronParams& params) {
  if (compact_state(params) == CompactState::kWindowBit) return Slope::kWindow;
  switch (params.surrogate) {
    case Surrogate::kRectangular:
      return Slope::kRectangular;
    case Surrogate::kTriangular:
      return Slope::kTriangular;
    case Surrogate::kSigmoid:
      return Slope::kSigmoid;
    case Surrogate::kArctan:
      break;
  }
  return Slope::kArctan;
}

struct BackwardStep {
  explicit BackwardStep(const NeuronParams& params)
      : decay(static_cast<float>(params.decay)),
        v_threshold(static_cast<float>(params.v_threshold)),
        code_step(VPreCode(params).step),
        offset(VPreCode(params).offset),
        numerator(VPreCode(params).numerator),
        inverse(1.0f / static_cast<float>(params.surrogate_width)),
        reset_path(params.detach_reset ? 0.0f : 1.0f),
        to_zero(params.reset == Reset::kZero) {}

  /// x of code i of the four or two in a word: VPreCode::decode.
  template <Slope kSlope>
  SPIKELOOM_HOST_DEVICE float decode(std::uint32_t word, int i, bool fired) const {
    float distance;
    if constexpr (has_tails(kSlope)) {
      distance = numerator / (float_of_half(word, i) + 0.5f) - offset;
    } else {
      distance = (float_of_byte(word, i) - 0.5f) * code_step;
    }
    return fired ? distance : -distance;
  }

  /// du of the step behind becomes that of this one. is_open: the window bit, or whether the code is not 0.
  template <Slope kSlope>
  SPIKELOOM_HOST_DEVICE void step(float grad_spike, bool fired, bool is_open, float x, float& du) const {
    const float h = slope<kSlope>(is_open, x);
    const float g = decay * du;
    float through_reset;
    if constexpr (kSlope == Slope::kRectangular) {
      through_reset = g * (v_threshold + x);
    } else if constexpr (kSlope == Slope::kWindow) {
      through_reset = reset_path * (g * v_threshold);
    } else {
      through_reset = reset_path * (g * (to_zero ? v_threshold + x : v_threshold));
    }
    const bool forgets = fired && (kSlope == Slope::kRectangular || to_zero);
    du = (grad_spike - through_reset) * h + (forgets ? 0.0f : g);
  }

  float decay, v_threshold, code_step, offset, numerator, inverse, reset_path;
  bool to_zero;

  /// reference::surrogate_derivative.
  template <Slope kSlope>
  SPIKELOOM_HOST_DEVICE float slope(bool is_open, float x) const {
    if constexpr (kSlope == Slope::kWindow || kSlope == Slope::kRectangular) {
      return is_open ? inverse : 0.0f;
    } else if constexpr (kSlope == Slope::kTriangular) {
      const float height = fmaxf(0.0f, 1.0f - fabsf(x) * inverse);
      return is_open ? inverse * height : 0.0f;
    } else if constexpr (kSlope == Slope::kSigmoid) {
      const float steepness = 4.0f * inverse;
      const float e = expf(-fabsf(steepness * x));
      return steepness * e / ((1.0f + e) * (1.0f + e));
    } else {
      const float z = static_cast<float>(reference::kPi) * inverse * x;
      return inverse / (1.0f + z * z);
    }
  }
};

}  // namespace spikeloom::kernels::cuda
