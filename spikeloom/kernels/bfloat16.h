#pragma once
#include <cstdint>
#include <cstring>

#include "spikeloom/base/host_device.h"

namespace spikeloom::kernels {

/// The upper half of a float: 8 bits of exponent, 8 of precision. Spikes (0, 1) and their averages over 2 x 2
/// pixels are exact in it. Same memory as LibTorch's and oneDNN's bfloat16.
struct BFloat16 {
  std::uint16_t bits;
};

SPIKELOOM_HOST_DEVICE inline float to_float(float value) { return value; }
SPIKELOOM_HOST_DEVICE inline float to_float(BFloat16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

/// Rounded to the nearest, ties to even; NaN stays NaN.
template <class T>
SPIKELOOM_HOST_DEVICE T from_float(float value);
template <>
SPIKELOOM_HOST_DEVICE inline float from_float<float>(float value) {
  return value;
}
template <>
SPIKELOOM_HOST_DEVICE inline BFloat16 from_float<BFloat16>(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>(bits >> 16 | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

}  // namespace spikeloom::kernels
