#include <algorithm>
#include <cmath>

#include "spikeloom/kernels/cpu/integer/convolve.h"
#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"

#ifdef SPIKELOOM_HAS_VNNI
namespace spikeloom::kernels::cpu {
namespace {

/// Largest integer of a gradient; times the sum of a channel's |weights| it must fit into 31 bits.
constexpr float kLargestGradient = 8191.0f;
constexpr float kLargestSum = 262144.0f, kLargestInteger = 32767.0f;
constexpr float kLeastGradient = 1e-30f;
/// Of a channel that are added up in integers, so that there are bits enough for each.
constexpr std::int64_t kMostWeights = 1152;

SPIKELOOM_VNNI __m512 load_channels(const float* from, std::int64_t stride, __mmask16 lanes) {
  if (stride == 1) return _mm512_maskz_loadu_ps(lanes, from);
  const __m512i places =
      _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                         _mm512_set1_epi32(static_cast<int>(stride)));
  return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, places, from, 4);
}

// The weights turned round, 16 of the layer's channels from `first` on, which are filters here.
SPIKELOOM_VNNI void turn(const IntegerShape& shape, const float* from, const WeightStrides& strides,
                         std::int64_t first, PairedWeights& weights, float* scale) {
  const std::int64_t taps = shape.kernel * shape.kernel, filters = shape.channels;
  const __mmask16 lanes = first_lanes(shape.filters - first);
  const float* const own = from + first * strides.channel;
  __m512 sum = _mm512_setzero_ps(), most = sum;
  for (std::int64_t f = 0; f < filters; ++f) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const __m512 size =
          _mm512_abs_ps(load_channels(own + f * strides.filter + tap * strides.tap, strides.channel, lanes));
      sum = _mm512_add_ps(sum, size);
      most = _mm512_max_ps(most, size);
    }
  }
  // Rounding adds at most half of the integers' number to their sum.
  const float room = kLargestSum - 0.5f * static_cast<float>(taps * filters) - 16.0f;
  const __m512 one = _mm512_max_ps(_mm512_div_ps(sum, _mm512_set1_ps(room)),
                                   _mm512_div_ps(most, _mm512_set1_ps(kLargestInteger)));
  const __mmask16 some = _mm512_cmp_ps_mask(one, _mm512_set1_ps(kLeastGradient), _CMP_GT_OQ);
  const __m512 inverse = _mm512_maskz_div_ps(some, _mm512_set1_ps(1.0f), one);
  _mm512_mask_storeu_ps(scale + first, lanes, one);
  const std::int64_t block = first / kIntegerFilters * kIntegerFilters, width = weights.width(block);
  std::int16_t* to = weights.block(block) + (first - block) * 2;
  for (std::int64_t tap = taps - 1; tap >= 0; --tap) {
    for (std::int64_t f = 0; f < filters; f += 2, to += width * 2) {
      const float* const at = own + f * strides.filter + tap * strides.tap;
      const auto rounded = [&](const float* values) SPIKELOOM_VNNI {
        return _mm512_cvtps_epi32(_mm512_mul_ps(load_channels(values, strides.channel, lanes), inverse));
      };
      const __m512i low = rounded(at);
      const __m512i high = f + 1 < filters ? rounded(at + strides.filter) : _mm512_setzero_si512();
      _mm512_storeu_si512(to, _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16)));
    }
  }
}

// Some filters of the layer: so few that their weights' integers have bits enough.
struct Group {
  std::int64_t first;
  IntegerShape shape;
  PairedWeights weights;
  std::vector<float> scale;
};

// Gradient of a piece for a group of `filters` as integers, in its frame. Gives the scale.
template <class T>
SPIKELOOM_VNNI float round_gradient(const IntegerShape& shape, const Piece& piece, const T* gradient,
                                    std::int64_t filters, std::int16_t* frame) {
  const std::int64_t begin = std::max<std::int64_t>(0, piece.first_row - shape.padding);
  const std::int64_t end = std::min(shape.height, piece.first_row - shape.padding + shape.frame_rows(piece));
  const std::int64_t channels = shape.channels, values = shape.pixel_values();
  __m512i most = _mm512_setzero_si512();
  for (std::int64_t image = piece.first_image; image < piece.first_image + piece.images; ++image) {
    const T* from = gradient + (image * shape.height + begin) * shape.width * filters;
    const std::int64_t pixels = std::max<std::int64_t>(0, end - begin) * shape.width;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel, from += filters) {
      for (std::int64_t c = 0; c < channels; c += 16)
        most = _mm512_max_epu32(most, magnitude_bits(load_floats(from + c, first_lanes(channels - c))));
    }
  }
  const std::uint32_t bits = _mm512_reduce_max_epu32(most);
  const bool finite = bits < 0x7f800000u;
  float largest;
  std::memcpy(&largest, &bits, sizeof largest);
  const bool some = finite && largest > kLeastGradient;
  const __m512 inverse = _mm512_set1_ps(some ? kLargestGradient / largest : 0.0f);
  for (std::int64_t image = piece.first_image; image < piece.first_image + piece.images; ++image) {
    for (std::int64_t row = 0; row < shape.frame_rows(piece); ++row, frame += shape.row_values()) {
      const std::int64_t y = piece.first_row + row - shape.padding;
      if (y < 0 || y >= shape.height) {
        std::fill(frame, frame + shape.row_values(), std::int16_t{0});
        continue;
      }
      std::int16_t* to = frame + shape.padding * values;
      std::fill(frame, to, std::int16_t{0});
      const T* from = gradient + (image * shape.height + y) * shape.width * filters;
      for (std::int64_t x = 0; x < shape.width; ++x, from += filters, to += values) {
        for (std::int64_t c = 0; c < channels; c += 16) {
          const __m512i rounded =
              _mm512_cvtps_epi32(_mm512_mul_ps(load_floats(from + c, first_lanes(channels - c)), inverse));
          _mm256_mask_storeu_epi16(to + c, first_lanes(values - c), _mm512_cvtepi32_epi16(rounded));
        }
      }
      std::fill(to, frame + shape.row_values(), std::int16_t{0});
    }
  }
  if (!finite) return std::nanf("");
  return some ? largest / kLargestGradient : 0.0f;
}

std::vector<Group> groups_of(const EventLayer& layer, const float* from, const WeightStrides& strides) {
  const IntegerShape all = backward_shape(layer);
  const std::int64_t most = std::max<std::int64_t>(kMostWeights / (all.kernel * all.kernel) / 16 * 16, 16);
  std::vector<Group> groups;
  for (std::int64_t first = 0; first < all.channels; first += most) {
    IntegerShape shape = all;
    shape.channels = std::min(most, all.channels - first);
    groups.push_back(
        {first, shape, PairedWeights(shape), std::vector<float>(static_cast<std::size_t>(all.filters))});
  }
  const std::int64_t parts = (all.filters + 15) / 16,
                     count = static_cast<std::int64_t>(groups.size()) * parts;
  for_each_block(make_blocks(count, 1), layer.weight_rows() * layer.filters,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     Group& group = groups[static_cast<std::size_t>(i / parts)];
                     turn(group.shape, from + group.first * strides.filter, strides, i % parts * 16,
                          group.weights, group.scale.data());
                   }
                 });
  return groups;
}

template <class T>
SPIKELOOM_VNNI void store_all(const float* from, std::int64_t count, T* to) {
  for (std::int64_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = first_lanes(count - i);
    store_floats(to + i, lanes, load_floats(from + i, lanes));
  }
}

}  // namespace

template <class T>
void integer_input_gradient(const EventLayer& layer, const T* gradient, const float* from,
                            const WeightStrides& strides, T* grad_input) {
  const std::vector<Group> groups = groups_of(layer, from, strides);
  if (groups.empty()) return;
  const IntegerShape& first = groups.front().shape;
  const std::vector<Piece> pieces = cut_into_pieces(first);
  const auto count = static_cast<std::int64_t>(pieces.size());
  for_each_block(
      make_blocks(count, 1), layer.output_pixels() * layer.filters,
      [&](std::int64_t, std::int64_t begin, std::int64_t end) {
        thread_local AlignedVector<std::int16_t> frame;
        thread_local AlignedVector<float> sums;
        thread_local std::vector<float> scale;
        for (std::int64_t i = begin; i < end; ++i) {
          const Piece& piece = pieces[static_cast<std::size_t>(i)];
          const std::int64_t values = first.output_pixels(piece) * first.filters;
          T* const to = grad_input + (piece.first_image * first.output_height() + piece.first_row) *
                                         first.output_width() * first.filters;
          frame.resize(static_cast<std::size_t>(first.frame_values(piece)));
          if (groups.size() > 1) sums.resize(static_cast<std::size_t>(values));
          for (const Group& group : groups) {
            const float one =
                round_gradient(group.shape, piece, gradient + group.first, layer.filters, frame.data());
            scale = group.scale;
            for (float& value : scale) value *= one;
            if (groups.size() == 1) {
              convolve<false>(group.shape, piece, frame.data(), group.weights, scale.data(), nullptr, to);
            } else if (group.first == 0) {
              convolve<false>(group.shape, piece, frame.data(), group.weights, scale.data(), nullptr,
                              sums.data());
            } else {
              convolve<true>(group.shape, piece, frame.data(), group.weights, scale.data(), nullptr,
                             sums.data());
            }
          }
          if (groups.size() > 1) store_all(sums.data(), values, to);
        }
      });
}

}  // namespace spikeloom::kernels::cpu
#else
namespace spikeloom::kernels::cpu {

template <class T>
void integer_input_gradient(const EventLayer&, const T*, const float*, const WeightStrides&, T*) {}
}  // namespace spikeloom::kernels::cpu
#endif

namespace spikeloom::kernels::cpu {
template void integer_input_gradient(const EventLayer&, const float*, const float*, const WeightStrides&,
                                     float*);
template void integer_input_gradient(const EventLayer&, const BFloat16*, const float*, const WeightStrides&,
                                     BFloat16*);
}  // namespace spikeloom::kernels::cpu
