#include <algorithm>

#include "spikeloom/kernels/aligned_vector.h"
#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/integer/pieces.h"
#include "spikeloom/kernels/cpu/integer/tile.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"

#ifdef SPIKELOOM_HAS_VNNI
namespace spikeloom::kernels::cpu {
namespace {

constexpr std::int64_t kRows = 4;  ///< channels whose sums are in registers together
/// Parts of the images with sums of their own, where the filters give too few blocks for the threads.
constexpr std::int64_t kParts = 16, kMostSums = std::int64_t{1} << 20;
/// Pixels that are added up before they go to the sums.
constexpr std::int64_t kLeastGradients = 192;
constexpr float kLeastGradient = 1e-30f;

// Pixels p and p + 1 of each channel side by side: frame [pixels][values] -> [kRows
// channels][pixel][channel][2], so that what is read together lies together. Behind the channels is 0.
SPIKELOOM_VNNI void pair_pixels(const std::int16_t* frame, std::int64_t pixels, std::int64_t values,
                                std::int16_t* pairs) {
  constexpr std::int64_t kTogether = 8;  // pixels: whole cache lines of a panel
  const std::int64_t panel = pixels * kRows * 2;
  for (std::int64_t first = 0; first < pixels; first += kTogether) {
    const std::int64_t last = std::min(pixels, first + kTogether);
    for (std::int64_t c = 0; c < values; c += 16) {
      const __mmask16 here = first_lanes(values - c);
      for (std::int64_t pixel = first; pixel < last; ++pixel) {
        const std::int16_t* const from = frame + pixel * values + c;
        const __mmask16 there = pixel + 1 < pixels ? here : __mmask16{0};
        const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(here, from));
        const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, from + values));
        const __m512i both = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
        std::int16_t* const to = pairs + c / kRows * panel + pixel * kRows * 2;
        const auto store = [&](std::int64_t group, __m128i four) SPIKELOOM_VNNI {
          if (c + group * kRows < values)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to + group * panel), four);
        };
        store(0, _mm512_extracti32x4_epi32(both, 0));
        store(1, _mm512_extracti32x4_epi32(both, 1));
        store(2, _mm512_extracti32x4_epi32(both, 2));
        store(3, _mm512_extracti32x4_epi32(both, 3));
      }
    }
  }
}

// A piece as it is multiplied. Where an output sees whole images these are the pixels of a row.
struct View {
  std::int64_t images, rows, width;              ///< of the gradient
  std::int64_t image_pixels;                     ///< from one image of it to the next
  std::int64_t frame_rows, frame_width, values;  ///< of what comes in; values: of a pixel
  std::int64_t kernel;

  std::int64_t groups() const { return (values + kRows - 1) / kRows; }
  std::int64_t row_pairs() const { return (width + 1) / 2; }
};

View view_of(const EventLayer& layer, const IntegerShape& shape, const Piece& piece) {
  if (sees_whole_images(layer)) {
    const std::int64_t values = shape.kernel * shape.kernel * shape.pixel_values();
    return {1, 1, piece.images, piece.images, 1, piece.images, values, 1};
  }
  return {piece.images,
          piece.rows,
          shape.output_width(),
          shape.output_height() * shape.output_width(),
          shape.frame_rows(piece),
          shape.frame_width(),
          shape.pixel_values(),
          shape.kernel};
}

// Gradient of a piece, 16 filters of it, as integers: pixels 2 q and 2 q + 1 of a row side by side, to
// [image][row][q][`lanes` filters][2]. Gives the scale of each filter.
template <class T>
SPIKELOOM_VNNI __m512 round_gradient(const View& view, const T* first, std::int64_t filters, __mmask16 mask,
                                     std::int64_t lanes, std::int16_t* to) {
  const std::int64_t width = view.width, pixels = view.rows * width;
  __m512i most = _mm512_setzero_si512();
  for (std::int64_t image = 0; image < view.images; ++image) {
    const T* const from = first + image * view.image_pixels * filters;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
      most = _mm512_max_epu32(most, magnitude_bits(load_floats(from + pixel * filters, mask)));
  }
  const __m512 largest = _mm512_castsi512_ps(most);
  const __mmask16 some = _mm512_cmp_ps_mask(largest, _mm512_set1_ps(kLeastGradient), _CMP_GT_OQ);
  const __mmask16 finite = _mm512_cmplt_epu32_mask(most, _mm512_set1_epi32(0x7f800000));
  const __m512 inverse =
      _mm512_maskz_div_ps(static_cast<__mmask16>(some & finite), _mm512_set1_ps(32767.0f), largest);
  for (std::int64_t image = 0; image < view.images; ++image) {
    const T* from = first + image * view.image_pixels * filters;
    for (std::int64_t row = 0; row < view.rows; ++row) {
      for (std::int64_t x = 0; x < width; x += 2, to += 2 * lanes) {
        const __m512i low = _mm512_cvtps_epi32(_mm512_mul_ps(load_floats(from, mask), inverse));
        from += filters;
        __m512i high = _mm512_setzero_si512();
        if (x + 1 < width) {
          high = _mm512_cvtps_epi32(_mm512_mul_ps(load_floats(from, mask), inverse));
          from += filters;
        }
        _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16)));
      }
    }
  }
  const __m512 scale = _mm512_div_ps(largest, _mm512_set1_ps(32767.0f));
  const __m512 not_a_number = _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000));
  return _mm512_mask_mov_ps(not_a_number, finite, _mm512_maskz_mov_ps(some, scale));
}

struct PairedPiece {
  const std::int16_t* pixels;    ///< [image][frame row][frame pixel][kRows channels][2]
  const std::int16_t* gradient;  ///< [image][row][q][filters][2]
  std::int64_t images, rows, row_pairs;
  std::int64_t image_values, row_values;  ///< of `pixels`
};

// Adds the gradient of kRows channels of a tap, kVectors vectors of filters, to sums [channel][filter].
template <int kVectors>
SPIKELOOM_VNNI void add_rows(const PairedPiece& piece, const float* scale, float* sums) {
  __m512i acc[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_setzero_si512();
  }
  const std::int16_t* gradient = piece.gradient;
  for (std::int64_t image = 0; image < piece.images; ++image) {
    for (std::int64_t row = 0; row < piece.rows; ++row) {
      const std::int16_t* at = piece.pixels + image * piece.image_values + row * piece.row_values;
      for (std::int64_t q = 0; q < piece.row_pairs; ++q, at += 4 * kRows, gradient += kVectors * 32) {
        __m512i g[kVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) g[v] = _mm512_loadu_si512(gradient + v * 32);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          std::int32_t pair;
          std::memcpy(&pair, at + 2 * r, sizeof pair);
          const __m512i x = _mm512_set1_epi32(pair);
#pragma GCC unroll 8
          for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_dpwssd_epi32(acc[r][v], x, g[v]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      float* const to = sums + (r * kVectors + v) * 16;
      const __m512 add = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[r][v]), _mm512_loadu_ps(scale + v * 16));
      _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), add));
    }
  }
}

std::int64_t lanes_of(std::int64_t filters) { return filters > 32 ? 64 : filters > 16 ? 32 : 16; }

// What every filter needs of a piece.
void pair_spikes(const EventLayer& layer, const IntegerShape& shape, const std::uint8_t* spikes,
                 const Piece& piece, const View& view, AlignedVector<std::int16_t>& pixels) {
  thread_local AlignedVector<std::int16_t> frame;
  const std::int64_t frame_pixels = view.images * view.frame_rows * view.frame_width;
  frame.resize(static_cast<std::size_t>(frame_pixels * view.values));
  pixels.resize(static_cast<std::size_t>(view.groups() * frame_pixels * kRows * 2));
  count_spikes(layer, shape, spikes, piece, frame.data());
  pair_pixels(frame.data(), frame_pixels, view.values, pixels.data());
}

// A piece for up to 64 filters, the first of which `gradient` begins with: added to sums [tap][group of kRows
// channels][channel][lanes].
template <class T>
SPIKELOOM_VNNI void add_piece(const View& view, const std::int16_t* pixels, const T* gradient,
                              std::int64_t all_filters, std::int64_t filters, float* sums) {
  thread_local AlignedVector<std::int16_t> rounded;
  alignas(64) float scale[kIntegerFilters];
  const std::int64_t lanes = lanes_of(filters);
  rounded.resize(static_cast<std::size_t>(view.images * view.rows * view.row_pairs() * 2 * lanes));
  for (std::int64_t f = 0; f < lanes; f += 16) {
    const __mmask16 mask = f < filters ? first_lanes(filters - f) : __mmask16{0};
    _mm512_store_ps(scale + f,
                    round_gradient(view, gradient + f, all_filters, mask, lanes, rounded.data() + 2 * f));
  }
  const std::int64_t row_values = view.frame_width * kRows * 2;
  PairedPiece paired{nullptr,   rounded.data(),   view.images,
                     view.rows, view.row_pairs(), view.frame_rows * row_values,
                     row_values};
  for (std::int64_t tap = 0; tap < view.kernel * view.kernel; ++tap) {
    const std::int64_t seen = tap / view.kernel * row_values + tap % view.kernel * kRows * 2;
    for (std::int64_t group = 0; group < view.groups(); ++group, sums += kRows * lanes) {
      paired.pixels = pixels + group * view.images * view.frame_rows * row_values + seen;
      if (lanes == 64) {
        add_rows<4>(paired, scale, sums);
      } else if (lanes == 32) {
        add_rows<2>(paired, scale, sums);
      } else {
        add_rows<1>(paired, scale, sums);
      }
    }
  }
}

}  // namespace

template <class T>
void integer_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const T* gradient,
                             float* grad_weights, const WeightStrides& strides) {
  const IntegerShape shape = forward_shape(layer);
  const bool whole = sees_whole_images(layer);
  const std::vector<Piece> pieces = cut_into_pieces(shape, kLeastGradients);
  const auto count = static_cast<std::int64_t>(pieces.size());
  const View view = view_of(layer, shape, Piece{});
  const std::int64_t tap_values = view.groups() * kRows;
  const std::int64_t block_values = view.kernel * view.kernel * tap_values * kIntegerFilters;
  const std::int64_t blocks = (layer.filters + kIntegerFilters - 1) / kIntegerFilters;
  const std::int64_t parts = std::clamp<std::int64_t>(
      std::min(kParts / blocks, kMostSums / (blocks * block_values)), 1, std::max<std::int64_t>(1, count));
  thread_local AlignedVector<float> all_sums;
  all_sums.assign(static_cast<std::size_t>(blocks * parts * block_values), 0.0f);
  float* const sums = all_sums.data();  // the workers must not look for it in their own
  const std::int64_t work = layer.output_pixels() * layer.filters;
  // Filters are independent: how many blocks of them share what is read changes no sum.
  const std::int64_t shares = std::clamp<std::int64_t>((num_threads() + parts - 1) / parts, 1, blocks);
  for_each_block(
      make_blocks(parts * shares, 1), work, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        thread_local AlignedVector<std::int16_t> pixels;
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t part = i / shares, share = i % shares;
          for (std::int64_t p = count * part / parts; p < count * (part + 1) / parts; ++p) {
            const Piece& piece = pieces[static_cast<std::size_t>(p)];
            const View own = view_of(layer, shape, piece);
            pair_spikes(layer, shape, spikes, piece, own, pixels);
            const std::int64_t pixel =
                (piece.first_image * shape.output_height() + piece.first_row) * shape.output_width();
            for (std::int64_t b = blocks * share / shares; b < blocks * (share + 1) / shares; ++b) {
              const std::int64_t filter = b * kIntegerFilters;
              add_piece(own, pixels.data(), gradient + pixel * layer.filters + filter, layer.filters,
                        std::min<std::int64_t>(kIntegerFilters, layer.filters - filter),
                        sums + (b * parts + part) * block_values);
            }
          }
        }
      });
  const std::int64_t channels = layer.images.channels;
  const float average = 1.0f / static_cast<float>(layer.images.pool * layer.images.pool);
  for_each_block(
      make_blocks(layer.filters, 16), layer.weight_rows() * layer.filters,
      [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = 0; row < layer.weight_rows(); ++row) {
          const std::int64_t tap = row / channels, c = row % channels;
          const std::int64_t place = tap * (whole ? shape.pixel_values() : tap_values) + c;
          for (std::int64_t f = begin; f < end; ++f) {
            const std::int64_t block = f / kIntegerFilters, first = block * kIntegerFilters;
            const float* from =
                sums + block * parts * block_values +
                place * lanes_of(std::min<std::int64_t>(kIntegerFilters, layer.filters - first)) + f - first;
            float sum = 0.0f;
            for (std::int64_t part = 0; part < parts; ++part, from += block_values) sum += *from;
            grad_weights[tap * strides.tap + c * strides.channel + f * strides.filter] = sum * average;
          }
        }
      });
}

}  // namespace spikeloom::kernels::cpu
#else
namespace spikeloom::kernels::cpu {
template <class T>
void integer_weight_gradient(const EventLayer&, const std::uint8_t*, const T*, float*, const WeightStrides&) {
}
}  // namespace spikeloom::kernels::cpu
#endif

namespace spikeloom::kernels::cpu {
template void integer_weight_gradient(const EventLayer&, const std::uint8_t*, const float*, float*,
                                      const WeightStrides&);
template void integer_weight_gradient(const EventLayer&, const std::uint8_t*, const BFloat16*, float*,
                                      const WeightStrides&);
}  // namespace spikeloom::kernels::cpu
