#pragma once
// The instructions of the products of integers. Internal to them.
#include "spikeloom/kernels/bfloat16.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define SPIKELOOM_HAS_VNNI 1
#include <immintrin.h>
#if !defined(__clang__)
// GCC 12 takes the undefined vectors of its own header for ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#define SPIKELOOM_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace spikeloom::kernels::cpu {

/// Lanes [0, count) of 16.
SPIKELOOM_VNNI inline __mmask16 first_lanes(std::int64_t count) {
  return count >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1u);
}

SPIKELOOM_VNNI inline __m512 load_floats(const float* from, __mmask16 lanes) {
  return _mm512_maskz_loadu_ps(lanes, from);
}

SPIKELOOM_VNNI inline __m512 load_floats(const BFloat16* from, __mmask16 lanes) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from)), 16));
}

SPIKELOOM_VNNI inline void store_floats(float* to, __mmask16 lanes, __m512 values) {
  _mm512_mask_storeu_ps(to, lanes, values);
}

// As from_float() rounds.
SPIKELOOM_VNNI inline void store_floats(BFloat16* to, __mmask16 lanes, __m512 values) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i nan = _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q);
  _mm256_mask_storeu_epi16(to, lanes, _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(is_nan, rounded, nan)));
}

/// |value| as bits, which are in the order of the values with NaN at the end.
SPIKELOOM_VNNI inline __m512i magnitude_bits(__m512 value) {
  return _mm512_and_si512(_mm512_castps_si512(value), _mm512_set1_epi32(0x7fffffff));
}

}  // namespace spikeloom::kernels::cpu
#endif
