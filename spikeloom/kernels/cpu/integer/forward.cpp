#include <string_view>

#include "spikeloom/kernels/cpu/integer/convolve.h"
#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"

#ifdef SPIKELOOM_HAS_VNNI
namespace spikeloom::kernels::cpu {
namespace {

// Rows of FixedPointWeights hold filters f and f + 16 as neighbours.
SPIKELOOM_VNNI PairedWeights paired(const EventLayer& layer, const IntegerShape& shape,
                                    const FixedPointWeights& from) {
  PairedWeights weights(shape);
  const std::int64_t channels = layer.images.channels, taps = layer.kernel * layer.kernel;
  for (std::int64_t first = 0; first < shape.filters; first += kIntegerFilters) {
    const std::int64_t lanes = weights.width(first), stored = std::min(lanes, from.stride - first);
    std::int16_t* to = weights.block(first);
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      for (std::int64_t c = 0; c < channels; c += 2, to += 2 * lanes) {
        for (std::int64_t f = 0; f < stored; f += 32) {
          // Lane 0 of 32 filters is the first one's.
          const std::int16_t* const row = from.values.data() + from.at(tap * channels + c, first + f);
          const __m512i a = _mm512_loadu_si512(row);
          const __m512i b =
              c + 1 < channels ? _mm512_loadu_si512(row + from.width(first)) : _mm512_setzero_si512();
          const __m512i low = _mm512_set1_epi32(0xffff);
          _mm512_storeu_si512(to + 2 * f,
                              _mm512_or_si512(_mm512_and_si512(a, low), _mm512_slli_epi32(b, 16)));
          if (f + 16 < lanes) {
            _mm512_storeu_si512(to + 2 * f + 32,
                                _mm512_or_si512(_mm512_srli_epi32(a, 16), _mm512_andnot_si512(low, b)));
          }
        }
      }
    }
  }
  return weights;
}

}  // namespace

bool can_multiply_integers(const EventLayer& layer) {
  const std::int64_t most = layer.images.pool * layer.images.pool;
  return __builtin_cpu_supports("avx512vnni") != 0 && std::string_view(simd_level()) == "avx512" &&
         layer.images.pool <= 8 && layer.weight_rows() * most <= 65536 &&
         layer.output_width() * most <= 65536;
}

template <class T>
void integer_forward(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                     const float* bias, T* output) {
  const IntegerShape shape = forward_shape(layer);
  const std::vector<Piece> pieces = cut_into_pieces(shape);
  const PairedWeights all = paired(layer, shape, weights);
  const float average = 1.0f / static_cast<float>(layer.images.pool * layer.images.pool);
  std::vector<float> scale(weights.scale);
  for (float& value : scale) value *= average;
  const auto count = static_cast<std::int64_t>(pieces.size());
  for_each_block(make_blocks(count, 1), layer.output_pixels() * layer.filters,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   thread_local AlignedVector<std::int16_t> frame;
                   for (std::int64_t i = begin; i < end; ++i) {
                     const Piece& piece = pieces[static_cast<std::size_t>(i)];
                     frame.resize(static_cast<std::size_t>(shape.frame_values(piece)));
                     count_spikes(layer, shape, spikes, piece, frame.data());
                     const std::int64_t pixel =
                         (piece.first_image * shape.output_height() + piece.first_row) * shape.output_width();
                     convolve<false>(shape, piece, frame.data(), all, scale.data(), bias,
                                     output + pixel * layer.filters);
                   }
                 });
}

}  // namespace spikeloom::kernels::cpu
#else
namespace spikeloom::kernels::cpu {

bool can_multiply_integers(const EventLayer&) { return false; }

template <class T>
void integer_forward(const EventLayer&, const std::uint8_t*, const FixedPointWeights&, const float*, T*) {}

}  // namespace spikeloom::kernels::cpu
#endif

namespace spikeloom::kernels::cpu {
template void integer_forward(const EventLayer&, const std::uint8_t*, const FixedPointWeights&, const float*,
                              float*);
template void integer_forward(const EventLayer&, const std::uint8_t*, const FixedPointWeights&, const float*,
                              BFloat16*);
}  // namespace spikeloom::kernels::cpu
