#pragma once
// The inner loop of the products of integers. Internal to them.
#include <cstdint>
#include <cstring>

#include "spikeloom/kernels/cpu/integer/vnni.h"

#ifdef SPIKELOOM_HAS_VNNI
namespace spikeloom::kernels::cpu {

/// Pixels whose sums are in registers together, and filters: 24 vectors.
constexpr int kTilePixels = 6, kIntegerFilters = 64;

/// What a pixel sees: `rows` runs of `pairs` pairs, `row_values` values from one to the next.
struct Window {
  std::int64_t rows, pairs, row_values;
};

/// Sums of kVectors * 16 filters for kTilePixels pixels: weights [rows * pairs][filters][2], sums
/// [pixel][kIntegerFilters].
template <int kVectors>
SPIKELOOM_VNNI inline void add_pairs(const std::int16_t* const* pixels, const Window& window,
                                     const std::int16_t* weights, std::int32_t* sums) {
  __m512i acc[kTilePixels][kVectors];
#pragma GCC unroll 8
  for (int p = 0; p < kTilePixels; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc[p][v] = _mm512_setzero_si512();
  }
  for (std::int64_t row = 0; row < window.rows; ++row) {
    const std::int16_t* at[kTilePixels];
#pragma GCC unroll 8
    for (int p = 0; p < kTilePixels; ++p) at[p] = pixels[p] + row * window.row_values;
    for (std::int64_t j = 0; j < window.pairs; ++j, weights += kVectors * 32) {
      __m512i w[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(weights + v * 32);
#pragma GCC unroll 8
      for (int p = 0; p < kTilePixels; ++p) {
        std::int32_t pair;
        std::memcpy(&pair, at[p] + 2 * j, sizeof pair);
        const __m512i x = _mm512_set1_epi32(pair);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) acc[p][v] = _mm512_dpwssd_epi32(acc[p][v], x, w[v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < kTilePixels; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(sums + p * kIntegerFilters + v * 16, acc[p][v]);
  }
}

}  // namespace spikeloom::kernels::cpu
#endif
