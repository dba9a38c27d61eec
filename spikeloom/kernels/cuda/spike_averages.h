#pragma once
// Averages of spikes over pool x pool pixels, eight channels at a time: from one byte of spikes a pixel to
// values.
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/cuda/octet.h"

namespace spikeloom::kernels::cuda {

/// Bit i of a byte -> nibble i of a word.
SPIKELOOM_HOST_DEVICE inline std::uint32_t nibbles_of_bits(std::uint32_t byte) {
  std::uint32_t word = (byte | byte << 12) & 0x000f000fu;
  word = (word | word << 6) & 0x03030303u;
  return (word | word << 3) & 0x11111111u;
}

#ifdef __CUDA_ARCH__
/// averages_of in BFloat16: lower and upper bytes of 0 .. 4 quarters, or of 0 and 1, looked up by nibble,
/// interleaved.
template <int kPixels>
__device__ inline RawOctet<BFloat16> bfloat16_averages(std::uint32_t counts) {
  constexpr std::uint32_t kLow = kPixels == 4 ? 0x40008000u : 0x00008000u, kLowOfFour = 0x80u;
  constexpr std::uint32_t kHigh = kPixels == 4 ? 0x3f3f3e00u : 0x00003f00u, kHighOfFour = 0x3fu;
  RawOctet<BFloat16> raw;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const std::uint32_t four = counts >> (16 * i);
    const std::uint32_t low = __byte_perm(kLow, kLowOfFour, four),
                        high = __byte_perm(kHigh, kHighOfFour, four);
    raw.words[2 * i] = __byte_perm(low, high, 0x5140);
    raw.words[2 * i + 1] = __byte_perm(low, high, 0x7362);
  }
  return raw;
}
#endif

template <class T, int kPixels>
SPIKELOOM_HOST_DEVICE inline RawOctet<T> computed_averages(std::uint32_t counts) {
  float values[8];
  SPIKELOOM_UNROLL
  for (int i = 0; i < 8; ++i) {
    values[i] = static_cast<float>(counts >> (4 * i) & 0xfu) * (1.0f / static_cast<float>(kPixels));
  }
  return raw_of<T>(values);
}

/// Counts of spikes, one a nibble, over kPixels = 1 or 4 pixels, divided by them: exact.
template <class T, int kPixels>
SPIKELOOM_HOST_DEVICE inline RawOctet<T> averages_of(std::uint32_t counts) {
  static_assert(kPixels == 1 || kPixels == 4, "0, 1 and quarters are looked up");
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(T) == 2) {
    return bfloat16_averages<kPixels>(counts);
  } else {
    return computed_averages<T, kPixels>(counts);
  }
#else
  return computed_averages<T, kPixels>(counts);
#endif
}

}  // namespace spikeloom::kernels::cuda
