#pragma once
// Eight neighbouring values: what one thread loads and stores at a time, 16 bytes of BFloat16 or 32 of float.
#include <cstdint>
#include <cstring>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/launch.h"

namespace spikeloom::kernels::cuda {

SPIKELOOM_HOST_DEVICE inline std::uint32_t bits_of_float(float value) {
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
SPIKELOOM_HOST_DEVICE inline float float_of_bits(std::uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// As they lie in memory.
template <class T>
struct RawOctet {
  static constexpr int kWords = 8 * sizeof(T) / 4;
  std::uint32_t words[kWords];
};

/// Whether vectors of 16 bytes can be loaded from the pointer.
inline bool is_aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0; }

/// from: a multiple of 16 bytes.
template <class T>
SPIKELOOM_HOST_DEVICE inline RawOctet<T> load_octet(const T* from) {
  RawOctet<T> raw;
#ifdef __CUDA_ARCH__
  const uint4* vectors = reinterpret_cast<const uint4*>(from);
#pragma unroll
  for (int i = 0; i < RawOctet<T>::kWords; i += 4) {
    const uint4 vector = vectors[i / 4];
    raw.words[i] = vector.x;
    raw.words[i + 1] = vector.y;
    raw.words[i + 2] = vector.z;
    raw.words[i + 3] = vector.w;
  }
#else
  std::memcpy(raw.words, from, sizeof raw.words);
#endif
  return raw;
}

/// The first `length` values of an octet at any address; the rest is 0.
template <class T>
SPIKELOOM_HOST_DEVICE inline RawOctet<T> load_part(const T* from, std::int64_t length) {
  RawOctet<T> raw{};
  SPIKELOOM_UNROLL
  for (int i = 0; i < 8; ++i) {
    if (i >= length) continue;
    if constexpr (sizeof(T) == 2) {
      raw.words[i / 2] |= static_cast<std::uint32_t>(from[i].bits) << (i % 2 * 16);
    } else {
      raw.words[i] = bits_of_float(from[i]);
    }
  }
  return raw;
}

/// Value i.
template <class T>
SPIKELOOM_HOST_DEVICE inline float value_of(const RawOctet<T>& raw, int i) {
  if constexpr (sizeof(T) == 4) {
    return float_of_bits(raw.words[i]);
  } else {
    const std::uint32_t word = raw.words[i / 2];
    return float_of_bits(i % 2 == 0 ? word << 16 : word & 0xffff0000u);
  }
}

/// Two values rounded as from_float<BFloat16> does, the first in the lower half. A NaN becomes another NaN on
/// a device.
SPIKELOOM_HOST_DEVICE inline std::uint32_t bfloat16_pair(float first, float second) {
#ifdef __CUDA_ARCH__
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
#else
  return from_float<BFloat16>(first).bits | static_cast<std::uint32_t>(from_float<BFloat16>(second).bits)
                                                << 16;
#endif
}

template <class T>
SPIKELOOM_HOST_DEVICE inline RawOctet<T> raw_of(const float (&values)[8]) {
  RawOctet<T> raw;
  SPIKELOOM_UNROLL
  for (int i = 0; i < RawOctet<T>::kWords; ++i) {
    if constexpr (sizeof(T) == 4) {
      raw.words[i] = bits_of_float(values[i]);
    } else {
      raw.words[i] = bfloat16_pair(values[2 * i], values[2 * i + 1]);
    }
  }
  return raw;
}

/// to: a multiple of 16 bytes.
template <class T>
SPIKELOOM_HOST_DEVICE inline void store_octet(const RawOctet<T>& raw, T* to) {
#ifdef __CUDA_ARCH__
  // Written out: a store of uint4 becomes four stores where the compiler loses sight of the alignment.
  const std::size_t address = __cvta_generic_to_global(to);
#pragma unroll
  for (int i = 0; i < RawOctet<T>::kWords; i += 4) {
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};"
                 :
                 : "l"(address + 4 * i), "r"(raw.words[i]), "r"(raw.words[i + 1]), "r"(raw.words[i + 2]),
                   "r"(raw.words[i + 3])
                 : "memory");
  }
#else
  std::memcpy(to, raw.words, sizeof raw.words);
#endif
}

/// Eight bytes, to a multiple of 8.
SPIKELOOM_HOST_DEVICE inline void store_words(const std::uint32_t (&words)[2], std::uint8_t* to) {
#ifdef __CUDA_ARCH__
  *reinterpret_cast<uint2*>(to) = make_uint2(words[0], words[1]);
#else
  std::memcpy(to, words, sizeof words);
#endif
}
SPIKELOOM_HOST_DEVICE inline void load_words(const std::uint8_t* from, std::uint32_t (&words)[2]) {
#ifdef __CUDA_ARCH__
  const uint2 both = *reinterpret_cast<const uint2*>(from);
  words[0] = both.x;
  words[1] = both.y;
#else
  std::memcpy(words, from, sizeof words);
#endif
}

/// Sixteen bytes, to a multiple of 16.
SPIKELOOM_HOST_DEVICE inline void store_words(const std::uint32_t (&words)[4], std::uint8_t* to) {
  store_octet(RawOctet<BFloat16>{{words[0], words[1], words[2], words[3]}}, reinterpret_cast<BFloat16*>(to));
}
SPIKELOOM_HOST_DEVICE inline void load_words(const std::uint8_t* from, std::uint32_t (&words)[4]) {
  const auto raw = load_octet(reinterpret_cast<const BFloat16*>(from));
  SPIKELOOM_UNROLL
  for (int i = 0; i < 4; ++i) words[i] = raw.words[i];
}

/// The first `length` values to any address.
template <class T>
SPIKELOOM_HOST_DEVICE inline void store_part(const RawOctet<T>& raw, std::int64_t length, T* to) {
  SPIKELOOM_UNROLL
  for (int i = 0; i < 8; ++i) {
    if (i >= length) continue;
    if constexpr (sizeof(T) == 2) {
      to[i].bits = static_cast<std::uint16_t>(raw.words[i / 2] >> (i % 2 * 16));
    } else {
      to[i] = float_of_bits(raw.words[i]);
    }
  }
}

/// The whole octet where `whole`, whose addresses are multiples of 16 bytes then; else its first `length`
/// values.
template <class T>
SPIKELOOM_HOST_DEVICE inline RawOctet<T> load_some(const T* from, bool whole, std::int64_t length) {
  return whole ? load_octet(from) : load_part(from, length);
}
template <class T>
SPIKELOOM_HOST_DEVICE inline void store_some(const RawOctet<T>& raw, bool whole, std::int64_t length, T* to) {
  if (whole) {
    store_octet(raw, to);
  } else {
    store_part(raw, length, to);
  }
}

}  // namespace spikeloom::kernels::cuda
