#include "spikeloom/kernels/cpu/window_gradient.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "spikeloom/kernels/aligned_vector.h"
#include "spikeloom/kernels/cpu/gradient_tile.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_table.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#if !defined(__clang__)
// GCC 12 takes the undefined vectors of its own header for ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#define SPIKELOOM_PAIRS __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace spikeloom::kernels::cpu {
namespace {

constexpr std::int64_t kFilters = kTileFilters;
constexpr std::int64_t kTogether = 16;  // neurons: as many sums as a vector has lanes

// Of each quarter of two vectors: a0 + a2, b0 + b2, a1 + a3, b1 + b3.
SPIKELOOM_PAIRS inline __m512 add_alternate(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}

// Of each quarter: a0 + a2, a1 + a3, b0 + b2, b1 + b3.
SPIKELOOM_PAIRS inline __m512 add_halves(__m512 a, __m512 b) {
  const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
  return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                       _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}

// Quarters: a's first two, a's last two, b's first two, b's last two.
SPIKELOOM_PAIRS inline __m512 add_quarters(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

// The four vectors' sums of each quarter, in their order.
SPIKELOOM_PAIRS inline __m512 sum_four(const __m512* v) {
  return add_halves(add_alternate(v[0], v[1]), add_alternate(v[2], v[3]));
}

// Sums of the lanes of 16 vectors, in their order.
SPIKELOOM_PAIRS inline __m512 sum_lanes(const __m512* v) {
  return add_quarters(add_quarters(sum_four(v), sum_four(v + 4)),
                      add_quarters(sum_four(v + 8), sum_four(v + 12)));
}

// Adds, for each open neuron of a channel, the products of kRows x kColumns pixels of the tile with the
// weights: weights [kRows * kColumns][32], sums [count rounded up to 16].
template <int kRows, int kColumns>
SPIKELOOM_PAIRS void add_products(const BFloat16* tile, std::int64_t tile_row, const std::uint32_t* neurons,
                                  std::int64_t count, const BFloat16* weights, float* sums) {
  constexpr int kPixels = kRows * kColumns;
  __m512bh w[kPixels];
#pragma GCC unroll 16
  for (int i = 0; i < kPixels; ++i) {
    w[i] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(weights + i * kFilters));
  }
  for (std::int64_t first = 0; first < count; first += kTogether) {
    __m512 acc[kTogether];
#pragma GCC unroll 16
    for (std::int64_t n = 0; n < kTogether; ++n) {
      // Behind the last neuron it is done again: its sum is not read.
      const std::uint32_t neuron = neurons[std::min(first + n, count - 1)];
      const BFloat16* const from = tile + SpikeTable::pixel(neuron) * kFilters;
      acc[n] = _mm512_setzero_ps();
#pragma GCC unroll 16
      for (int i = 0; i < kPixels; ++i) {
        const std::int64_t at = i / kColumns * tile_row + i % kColumns * kFilters;
        acc[n] = _mm512_dpbf16_ps(acc[n], reinterpret_cast<__m512bh>(_mm512_loadu_si512(from + at)), w[i]);
      }
    }
    _mm512_storeu_ps(sums + first, _mm512_add_ps(_mm512_loadu_ps(sums + first), sum_lanes(acc)));
  }
}

void add_neurons(std::int64_t kernel, const BFloat16* tile, std::int64_t tile_row,
                 const std::uint32_t* neurons, std::int64_t count, const BFloat16* weights, float* sums) {
  if (kernel == 3) return add_products<3, 3>(tile, tile_row, neurons, count, weights, sums);
  for (std::int64_t row = 0; row < kernel; ++row) {
    const BFloat16* const from = tile + row * tile_row;
    const BFloat16* const w = weights + row * kernel * kFilters;
    if (kernel == 5) {
      add_products<1, 5>(from, tile_row, neurons, count, w, sums);
    } else {
      for (std::int64_t column = 0; column < kernel; ++column) {
        add_products<1, 1>(from + column * kFilters, tile_row, neurons, count, w + column * kFilters, sums);
      }
    }
  }
}

// Weights -> [block of 32 filters][channel][window][filter], the first window that of the last tap; 0 behind
// the filters.
void arrange(const EventLayer& layer, const BFloat16* weights, const WeightStrides& strides,
             AlignedVector<BFloat16>& to) {
  const std::int64_t channels = layer.images.channels, taps = layer.kernel * layer.kernel;
  const std::int64_t parts = (layer.filters + kFilters - 1) / kFilters;
  to.resize(static_cast<std::size_t>(parts * channels * taps * kFilters));
  for_each_block(make_blocks(parts, 1), channels * taps * layer.filters,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t part = begin; part < end; ++part) {
                     const std::int64_t count = std::min(kFilters, layer.filters - part * kFilters);
                     for (std::int64_t tap = 0; tap < taps; ++tap) {
                       const BFloat16* const from =
                           weights + part * kFilters * strides.filter + tap * strides.tap;
                       BFloat16* const at = to.data() + (part * channels * taps + taps - 1 - tap) * kFilters;
                       for (std::int64_t c = 0; c < channels; ++c) {
                         BFloat16* const line = at + c * taps * kFilters;
                         for (std::int64_t f = 0; f < count; ++f)
                           line[f] = from[f * strides.filter + c * strides.channel];
                         for (std::int64_t f = count; f < kFilters; ++f) line[f] = {};
                       }
                     }
                   }
                 });
}

}  // namespace

bool can_skip_closed_windows(const EventLayer& layer) {
  return has_fast_bfloat16() && std::string_view(simd_level()) == "avx512" && layer.images.pool == 1 &&
         SpikeTable::fits(layer);
}

void window_gradient(const EventLayer& layer, const std::uint8_t* open, const BFloat16* grad_current,
                     const BFloat16* weights, const WeightStrides& strides, BFloat16* grad_spikes) {
  const SpikeTable table(layer, open);
  thread_local AlignedVector<BFloat16> all_weights;
  arrange(layer, weights, strides, all_weights);
  const BFloat16* const arranged = all_weights.data();  // the workers must not look for it in their own
  const PackedImages& images = layer.images;
  const std::int64_t channels = images.channels, window = layer.kernel * layer.kernel * kFilters;
  const std::int64_t frame_width = images.width + layer.kernel - 1;
  const auto run = [&](std::int64_t number) {
    thread_local AlignedVector<BFloat16> tile;
    thread_local AlignedVector<float> sums;
    thread_local std::vector<std::int64_t> starts;
    const SpikeTable::Chunk& chunk = table.chunk(number);
    const std::int64_t frame_rows = chunk.rows + layer.kernel - 1;
    starts.clear();
    std::int64_t total = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      starts.push_back(total);
      total += (table.of(number, c).length + kTogether - 1) / kTogether * kTogether;
    }
    sums.assign(static_cast<std::size_t>(total), 0.0f);
    tile.resize(static_cast<std::size_t>(table.most_pixels() * kFilters));
    for (std::int64_t first = 0; first < layer.filters; first += kFilters) {
      fill_tile(layer, chunk, grad_current, first, std::min(kFilters, layer.filters - first), tile.data());
      const BFloat16* const part = arranged + first / kFilters * channels * window;
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto list = table.of(number, c);
        if (list.length == 0) continue;
        add_neurons(layer.kernel, tile.data(), frame_width * kFilters, list.first, list.length,
                    part + c * window, sums.data() + starts[static_cast<std::size_t>(c)]);
      }
    }
    BFloat16* const to =
        grad_spikes + ((chunk.first_image * images.height + chunk.first_row) * images.width) * channels;
    const std::int64_t pixels = (chunk.images - 1) * images.height * images.width + chunk.rows * images.width;
    std::fill(to, to + pixels * channels, BFloat16{});
    thread_local std::vector<std::int64_t> places;  // in `to`, of the frame's pixels
    places.resize(static_cast<std::size_t>(chunk.images * frame_rows * frame_width));
    for (std::int64_t image = 0; image < chunk.images; ++image) {
      for (std::int64_t row = 0; row < chunk.rows; ++row) {
        for (std::int64_t x = 0; x < images.width; ++x) {
          places[static_cast<std::size_t>((image * frame_rows + row) * frame_width + x)] =
              ((image * images.height + row) * images.width + x) * channels;
        }
      }
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto list = table.of(number, c);
      const float* const from = sums.data() + starts[static_cast<std::size_t>(c)];
      for (std::int64_t i = 0; i < list.length; ++i) {
        to[places[static_cast<std::size_t>(SpikeTable::pixel(list.first[i]))] + c] =
            from_float<BFloat16>(from[i]);
      }
    }
  };
  const Blocks blocks = make_blocks(table.num_chunks(), 1);
  for_each_block(blocks, kMinParallelWork, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) run(i);
  });
}

}  // namespace spikeloom::kernels::cpu

#else

namespace spikeloom::kernels::cpu {

bool can_skip_closed_windows(const EventLayer&) { return false; }

void window_gradient(const EventLayer&, const std::uint8_t*, const BFloat16*, const BFloat16*,
                     const WeightStrides&, BFloat16*) {}

}  // namespace spikeloom::kernels::cpu
#endif
