#pragma once
// One neuron, one step: the arithmetic of reference/compact_lif.h, operation by operation, for the host and a
// device.
#include <cmath>
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/reference/surrogate.h"
#include "spikeloom/kernels/v_pre_code.h"

namespace spikeloom::kernels::cuda {

/// 0 to 254, or a byte, as a float; on a device without its slower conversion: an integer below 2^23 in the
/// mantissa of 2^23 is 2^23 more than itself.
SPIKELOOM_HOST_DEVICE inline float float_of_byte(std::uint32_t byte) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(0x4b000000u | byte) - 8388608.0f;
#else
  return static_cast<float>(byte);
#endif
}

/// floor of a value in [0, 2^23) as an integer; the same trick the other way round.
SPIKELOOM_HOST_DEVICE inline std::uint32_t floor_to_integer(float value) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(__fadd_rd(value, 8388608.0f)) & 0x7fffffu;
#else
  return static_cast<std::uint32_t>(value);
#endif
}

/// What compact_lif_forward keeps of v_pre.
enum class Kept { kNothing, kWindow, kCode };

struct ForwardStep {
  explicit ForwardStep(const NeuronParams& params)
      : decay(static_cast<float>(params.decay)),
        v_threshold(static_cast<float>(params.v_threshold)),
        half(VPreCode(params).half),
        per_x(VPreCode(params).per_x),
        closes(VPreCode(params).closes) {}

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

  SPIKELOOM_HOST_DEVICE bool is_open(float x) const { return fabsf(x) < half; }

  /// VPreCode::encode.
  SPIKELOOM_HOST_DEVICE std::uint32_t encode(float x) const {
    const float bounded = fmaxf(-half, fminf(half, x));
    const std::uint32_t code = 1u + floor_to_integer(fminf((bounded + half) * per_x, 254.0f));
    return closes && !is_open(x) ? 0u : code;
  }

  float decay, v_threshold, half, per_x;
  bool closes;
};

/// How the surrogate is found from what was kept: the surrogates, and the window bit.
enum class Slope { kWindow, kRectangular, kTriangular, kSigmoid, kArctan };

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
        half(VPreCode(params).half),
        code_step(VPreCode(params).step),
        inverse(1.0f / static_cast<float>(params.surrogate_width)),
        reset_path(params.detach_reset ? 0.0f : 1.0f),
        to_zero(params.reset == Reset::kZero) {}

  /// The surrogate at the code's x, as reference::surrogate_derivative.
  template <Slope kSlope>
  SPIKELOOM_HOST_DEVICE float slope(std::uint32_t code, float x) const {
    if constexpr (kSlope == Slope::kWindow || kSlope == Slope::kRectangular) {
      return code != 0 ? inverse : 0.0f;
    } else if constexpr (kSlope == Slope::kTriangular) {
      const float height = fmaxf(0.0f, 1.0f - fabsf(x) * inverse);
      return code != 0 ? inverse * height : 0.0f;
    } else if constexpr (kSlope == Slope::kSigmoid) {
      const float steepness = 4.0f * inverse;
      const float e = expf(-fabsf(steepness * x));
      return steepness * e / ((1.0f + e) * (1.0f + e));
    } else {
      const float z = static_cast<float>(reference::kPi) * inverse * x;
      return inverse / (1.0f + z * z);
    }
  }

  /// du of the step behind becomes that of this one. code: the code, or the window bit.
  template <Slope kSlope>
  SPIKELOOM_HOST_DEVICE void step(float grad_spike, bool fired, std::uint32_t code, float& du) const {
    const float x = kSlope == Slope::kWindow ? 0.0f : (float_of_byte(code) - 0.5f) * code_step - half;
    const float h = slope<kSlope>(code, x);
    const float g = decay * du;
    const float through_reset = g * (to_zero ? v_threshold + x : v_threshold);
    const float gradient = grad_spike - reset_path * through_reset;
    du = gradient * h + (to_zero && fired ? 0.0f : g);
  }

  float decay, v_threshold, half, code_step, inverse, reset_path;
  bool to_zero;
};

}  // namespace spikeloom::kernels::cuda
