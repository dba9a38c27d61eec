#pragma once
// A convolution of integers, whatever they stand for. Internal to the products of integers.
#include <algorithm>
#include <cstdint>

#include "spikeloom/kernels/aligned_vector.h"
#include "spikeloom/kernels/cpu/integer/pieces.h"
#include "spikeloom/kernels/cpu/integer/tile.h"

#ifdef SPIKELOOM_HAS_VNNI
namespace spikeloom::kernels::cpu {

/// Weights in the order of the inner loop: [block of 64 filters, the last one of 16, 32 or 64][tap][pair of
/// channels][filter][2], 0 behind the channels and the filters.
struct PairedWeights {
  std::int64_t filters = 0, pairs = 0;  ///< pairs: of a filter
  AlignedVector<std::int16_t> values;

  PairedWeights(const IntegerShape& shape)
      : filters(shape.filters), pairs(shape.kernel * shape.kernel * shape.pixel_values() / 2) {
    const std::int64_t last = filters / kIntegerFilters * kIntegerFilters;
    values.assign(static_cast<std::size_t>((last + (last < filters ? width(last) : 0)) * pairs * 2), 0);
  }
  /// Filters of the block that begins with this one, rounded up.
  std::int64_t width(std::int64_t first) const {
    const std::int64_t left = filters - first;
    return left > 32 ? 64 : left > 16 ? 32 : 16;
  }
  const std::int16_t* block(std::int64_t first) const { return values.data() + first * pairs * 2; }
  std::int16_t* block(std::int64_t first) { return values.data() + first * pairs * 2; }
};

/// Output of a piece from its frame: output [piece's pixels][filters], those of the whole images; value = sum
/// * scale[filter] + bias[filter], bias may be nullptr. kAdds: to what is there.
template <bool kAdds, class T>
SPIKELOOM_VNNI void convolve(const IntegerShape& shape, const Piece& piece, const std::int16_t* frame,
                             const PairedWeights& weights, const float* scale, const float* bias, T* output) {
  const std::int64_t width = shape.output_width(), pixels = shape.output_pixels(piece);
  const std::int64_t row_values = shape.row_values(), image_rows = shape.frame_rows(piece);
  const Window window{shape.kernel, shape.kernel * shape.pixel_values() / 2, row_values};
  alignas(64) std::int32_t sums[kTilePixels * kIntegerFilters];
  for (std::int64_t first = 0; first < shape.filters; first += kIntegerFilters) {
    const std::int64_t lanes = weights.width(first), count = std::min(lanes, shape.filters - first);
    const std::int16_t* const block = weights.block(first);
    std::int64_t image = 0, row = 0, x = 0;
    for (std::int64_t pixel = 0; pixel < pixels; pixel += kTilePixels) {
      const std::int16_t* at[kTilePixels];
      const auto together = std::min<std::int64_t>(kTilePixels, pixels - pixel);
      for (int p = 0; p < kTilePixels; ++p) {
        if (p >= together) {  // not stored
          at[p] = at[0];
          continue;
        }
        at[p] = frame + (image * image_rows + row) * row_values + x * shape.pixel_values();
        if (++x < width) continue;
        x = 0;
        if (++row < piece.rows) continue;
        row = 0;
        ++image;
      }
      if (lanes == 64) {
        add_pairs<4>(at, window, block, sums);
      } else if (lanes == 32) {
        add_pairs<2>(at, window, block, sums);
      } else {
        add_pairs<1>(at, window, block, sums);
      }
      for (std::int64_t p = 0; p < together; ++p) {
        T* const to = output + (pixel + p) * shape.filters + first;
        for (std::int64_t f = 0; f < count; f += 16) {
          const __mmask16 mask = first_lanes(count - f);
          __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + p * kIntegerFilters + f)),
                                       _mm512_maskz_loadu_ps(mask, scale + first + f));
          if (bias != nullptr) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, bias + first + f));
          if (kAdds) value = _mm512_add_ps(value, load_floats(to + f, mask));
          store_floats(to + f, mask, value);
        }
      }
    }
  }
}

}  // namespace spikeloom::kernels::cpu
#endif
