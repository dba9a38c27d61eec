#include "spikeloom/kernels/cpu/event_weight_gradient_pairs.h"

#include <algorithm>
#include <string_view>

#include "spikeloom/kernels/aligned_vector.h"
#include "spikeloom/kernels/cpu/gradient_tile.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_table.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define SPIKELOOM_PAIRS __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace spikeloom::kernels::cpu {
namespace {

/// Filters that are summed together: with the taps of a 3 x 3 kernel 18 vectors of sums stay in registers.
constexpr std::int64_t kFilters = kTileFilters;
/// Channels whose sums are kept together: 300 kB of them for a 3 x 3 kernel, for the second-level cache.
constexpr std::int64_t kChannels = 256;

// Adds a window of the tile, kRows x kColumns pixels, for each spike of a list. vdpbf16ps adds two products
// to each float, the one of the odd value first, both rounded: the spikes' order is kept. sums: [kRows *
// kColumns][2][16], filters 0-3, 8-11, .. and 4-7, 12-15, ..
template <int kRows, int kColumns>
SPIKELOOM_PAIRS void add_windows(const BFloat16* tile, std::int64_t tile_row, const std::uint32_t* spikes,
                                 std::int64_t count, float* sums) {
  constexpr int kPixels = kRows * kColumns;
  __m512 low[kPixels], high[kPixels];
#pragma GCC unroll 16
  for (int i = 0; i < kPixels; ++i) {
    low[i] = _mm512_loadu_ps(sums + 32 * i);
    high[i] = _mm512_loadu_ps(sums + 32 * i + 16);
  }
  std::int64_t s = 0;
  for (; s + 2 <= count; s += 2) {
    const std::uint32_t first = spikes[s], second = spikes[s + 1];
    const auto weights =
        reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>((first & 0xffff0000u) | second >> 16)));
    const BFloat16* const from_first = tile + SpikeTable::pixel(first) * kFilters;
    const BFloat16* const from_second = tile + SpikeTable::pixel(second) * kFilters;
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i) {
      const std::int64_t at = i / kColumns * tile_row + i % kColumns * kFilters;
      const __m512i odd = _mm512_loadu_si512(from_first + at);
      const __m512i even = _mm512_loadu_si512(from_second + at);
      low[i] =
          _mm512_dpbf16_ps(low[i], reinterpret_cast<__m512bh>(_mm512_unpacklo_epi16(even, odd)), weights);
      high[i] =
          _mm512_dpbf16_ps(high[i], reinterpret_cast<__m512bh>(_mm512_unpackhi_epi16(even, odd)), weights);
    }
  }
  if (s < count) {
    const auto weights =
        reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(spikes[s] & 0xffff0000u)));
    const BFloat16* const from = tile + SpikeTable::pixel(spikes[s]) * kFilters;
    const __m512i none = _mm512_setzero_si512();
#pragma GCC unroll 16
    for (int i = 0; i < kPixels; ++i) {
      const std::int64_t at = i / kColumns * tile_row + i % kColumns * kFilters;
      const __m512i odd = _mm512_loadu_si512(from + at);
      low[i] =
          _mm512_dpbf16_ps(low[i], reinterpret_cast<__m512bh>(_mm512_unpacklo_epi16(none, odd)), weights);
      high[i] =
          _mm512_dpbf16_ps(high[i], reinterpret_cast<__m512bh>(_mm512_unpackhi_epi16(none, odd)), weights);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kPixels; ++i) {
    _mm512_storeu_ps(sums + 32 * i, low[i]);
    _mm512_storeu_ps(sums + 32 * i + 16, high[i]);
  }
}

// Every window of the kernel. sums: [window][2][16].
void add_spikes(std::int64_t kernel, const BFloat16* tile, std::int64_t tile_row, const std::uint32_t* spikes,
                std::int64_t count, float* sums) {
  if (kernel == 3) return add_windows<3, 3>(tile, tile_row, spikes, count, sums);
  for (std::int64_t row = 0; row < kernel; ++row) {
    const BFloat16* const from = tile + row * tile_row;
    float* const to = sums + row * kernel * kFilters;
    if (kernel == 5) {
      add_windows<1, 5>(from, tile_row, spikes, count, to);
    } else {
      for (std::int64_t column = 0; column < kernel; ++column) {
        add_windows<1, 1>(from + column * kFilters, tile_row, spikes, count, to + column * kFilters);
      }
    }
  }
}

// Sums of channels [0, channels) -> weights of filters [0, filters).
void place(std::int64_t kernel, const float* sums, std::int64_t channels, std::int64_t filters, float* to,
           const WeightStrides& strides) {
  const std::int64_t taps = kernel * kernel;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    const float* const from = sums + (taps - 1 - tap) * kFilters;  // the first window is seen by the last tap
    for (std::int64_t f = 0; f < filters; ++f) {
      const std::int64_t lane = f / 8 * 4 + f % 4 + (f % 8 < 4 ? 0 : 16);
      float* const at = to + tap * strides.tap + f * strides.filter;
      for (std::int64_t c = 0; c < channels; ++c) at[c * strides.channel] = from[c * taps * kFilters + lane];
    }
  }
}

}  // namespace

bool can_pair_spikes(const EventLayer& layer) {
  const std::int64_t pool = layer.images.pool;
  return has_fast_bfloat16() && std::string_view(simd_level()) == "avx512" && (pool & (pool - 1)) == 0 &&
         pool <= 16 && SpikeTable::fits(layer);
}

void paired_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const BFloat16* gradient,
                            float* grad_weights, const WeightStrides& strides) {
  const SpikeTable table(layer, spikes);
  const std::int64_t channels = layer.images.channels, window = layer.kernel * layer.kernel * kFilters;
  const std::int64_t channel_parts = (channels + kChannels - 1) / kChannels;
  const std::int64_t part = (channels + channel_parts - 1) / channel_parts;
  const std::int64_t filter_parts = (layer.filters + kFilters - 1) / kFilters;
  const std::int64_t tile_row = (layer.images.pooled_width() + layer.kernel - 1) * kFilters;
  const auto run = [&](std::int64_t first_filter, std::int64_t first_channel) {
    thread_local AlignedVector<float> sums;
    thread_local AlignedVector<BFloat16> tile;
    const std::int64_t filters = std::min(kFilters, layer.filters - first_filter);
    const std::int64_t end_channel = std::min(channels, first_channel + part);
    sums.assign(static_cast<std::size_t>((end_channel - first_channel) * window), 0.0f);
    tile.resize(static_cast<std::size_t>(table.most_pixels() * kFilters));
    for (std::int64_t chunk = 0; chunk < table.num_chunks(); ++chunk) {
      fill_tile(layer, table.chunk(chunk), gradient, first_filter, filters, tile.data());
      for (std::int64_t c = first_channel; c < end_channel; ++c) {
        const auto list = table.of(chunk, c);
        if (list.length == 0) continue;
        add_spikes(layer.kernel, tile.data(), tile_row, list.first, list.length,
                   sums.data() + (c - first_channel) * window);
      }
    }
    place(layer.kernel, sums.data(), end_channel - first_channel, filters,
          grad_weights + first_filter * strides.filter + first_channel * strides.channel, strides);
  };
  const Blocks blocks = make_blocks(filter_parts * channel_parts, 1);
  for_each_block(blocks, kMinParallelWork, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) run(i / channel_parts * kFilters, i % channel_parts * part);
  });
}

}  // namespace spikeloom::kernels::cpu

#else

namespace spikeloom::kernels::cpu {

bool can_pair_spikes(const EventLayer&) { return false; }

void paired_weight_gradient(const EventLayer&, const std::uint8_t*, const BFloat16*, float*,
                            const WeightStrides&) {}

}  // namespace spikeloom::kernels::cpu
#endif
