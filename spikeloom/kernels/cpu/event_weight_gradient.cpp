#include <vector>

#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/event_weight_gradient_pairs.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_bits.h"

#ifndef SPIKELOOM_KERNELS_CPU_CHANNEL_SPIKE
#define SPIKELOOM_KERNELS_CPU_CHANNEL_SPIKE
namespace spikeloom::kernels::cpu {
/// A pooled pixel at which a channel has spikes.
struct ChannelSpike {
  std::uint32_t pixel;  ///< of the padded gradient of a chunk, for the last tap
  float value;          ///< of the average
};
}  // namespace spikeloom::kernels::cpu
#endif

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/event_weight_gradient.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Adds the gradient rows of the spikes to kVectors vectors of sums, in the order of the list.
template <int kVectors, bool kWeighted, class G>
HWY_ATTR HWY_INLINE void add_gradients(const G* gradient, std::int64_t filters, const ChannelSpike* spikes,
                                       std::int64_t count, float* sums) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<decltype(d)> acc[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) acc[v] = hn::LoadU(d, sums + static_cast<std::size_t>(v) * lanes);
  for (std::int64_t i = 0; i < count; ++i) {
    const G* HWY_RESTRICT row = gradient + static_cast<std::int64_t>(spikes[i].pixel) * filters;
    const auto value = hn::Set(d, spikes[i].value);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      const auto g = load_lanes(d, row + static_cast<std::size_t>(v) * lanes);
      acc[v] = kWeighted ? hn::MulAdd(value, g, acc[v]) : hn::Add(acc[v], g);
    }
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) hn::StoreU(acc[v], d, sums + static_cast<std::size_t>(v) * lanes);
}

// One row of the weights: all filters.
template <bool kWeighted, class G>
HWY_ATTR HWY_INLINE void add_row(const G* gradient, std::int64_t filters, const ChannelSpike* spikes,
                                 std::int64_t count, float* sums) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr int kVectors = HWY_TARGET <= HWY_AVX3 ? 16 : 8;
  std::int64_t f = 0;
  for (; f + kVectors * lanes <= filters; f += kVectors * lanes) {
    add_gradients<kVectors, kWeighted>(gradient + f, filters, spikes, count, sums + f);
  }
  for (; f + 4 * lanes <= filters; f += 4 * lanes) {
    add_gradients<4, kWeighted>(gradient + f, filters, spikes, count, sums + f);
  }
  for (; f + lanes <= filters; f += lanes) {
    add_gradients<1, kWeighted>(gradient + f, filters, spikes, count, sums + f);
  }
  for (; f < filters; ++f) {
    for (std::int64_t i = 0; i < count; ++i) {
      const float g = to_float(gradient[static_cast<std::int64_t>(spikes[i].pixel) * filters + f]);
      sums[f] += kWeighted ? spikes[i].value * g : g;
    }
  }
}

// All taps of one channel. gradient: a chunk's, padded to `width` pixels a row.
template <class G>
HWY_ATTR HWY_INLINE void channel_gradient(const EventLayer& layer, const G* gradient, std::int64_t width,
                                          const ChannelSpike* spikes, std::int64_t count,
                                          std::int64_t channel, float* grad_weights) {
  for (std::int64_t tap = 0; tap < layer.kernel * layer.kernel; ++tap) {
    // The spike's pixel is that of the last tap; an earlier tap sees it from further right and below.
    const std::int64_t dy = layer.kernel - 1 - tap / layer.kernel, dx = layer.kernel - 1 - tap % layer.kernel;
    const G* const from = gradient + (dy * width + dx) * layer.filters;
    float* const to = grad_weights + (tap * layer.images.channels + channel) * layer.filters;
    if (layer.images.pool > 1) {
      add_row<true>(from, layer.filters, spikes, count, to);
    } else {
      add_row<false>(from, layer.filters, spikes, count, to);
    }
  }
}

void channel_gradient_float(const EventLayer& layer, const float* gradient, std::int64_t width,
                            const ChannelSpike* spikes, std::int64_t count, std::int64_t channel,
                            float* grad_weights) {
  channel_gradient(layer, gradient, width, spikes, count, channel, grad_weights);
}

void channel_gradient_bfloat16(const EventLayer& layer, const BFloat16* gradient, std::int64_t width,
                               const ChannelSpike* spikes, std::int64_t count, std::int64_t channel,
                               float* grad_weights) {
  channel_gradient(layer, gradient, width, spikes, count, channel, grad_weights);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(channel_gradient_float);
HWY_EXPORT(channel_gradient_bfloat16);

/// Bytes of gradient that are looked at together: they stay in the second-level cache while every channel
/// goes over them.
constexpr std::int64_t kChunkBytes = std::int64_t{512} << 10;
/// Channels whose spikes are listed together: a byte of packed spikes, where the channels allow it.
constexpr std::int64_t kChannels = 8;

/// The frame of zeros around an image's gradient: kernel - 1 in all, as much of it in front as the padding
/// leaves.
struct Frame {
  std::int64_t height, width, before;
};

Frame frame_of(const EventLayer& layer) {
  return {layer.images.pooled_height() + layer.kernel - 1, layer.images.pooled_width() + layer.kernel - 1,
          layer.kernel - 1 - layer.padding};
}

// Images [first, first + count) of the gradient with zeros around each.
template <class G>
void frame_gradient(const EventLayer& layer, const G* gradient, std::int64_t first, std::int64_t count,
                    AlignedVector<G>& framed) {
  const Frame frame = frame_of(layer);
  const std::int64_t height = layer.output_height(), row_values = layer.output_width() * layer.filters;
  const std::int64_t rows = count * frame.height;
  framed.resize(static_cast<std::size_t>(rows * frame.width * layer.filters));
  for_each_block(make_blocks(rows, 8), rows * frame.width * layer.filters,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     G* const to = framed.data() + row * frame.width * layer.filters;
                     G* const to_end = to + frame.width * layer.filters;
                     const std::int64_t y = row % frame.height - frame.before;
                     if (y < 0 || y >= height) {
                       std::fill(to, to_end, G{});
                       continue;
                     }
                     const std::int64_t image = first + row / frame.height;
                     const G* const from = gradient + (image * height + y) * row_values;
                     G* const middle = to + frame.before * layer.filters;
                     std::fill(to, middle, G{});
                     std::copy(from, from + row_values, middle);
                     std::fill(middle + row_values, to_end, G{});
                   }
                 });
}

// The spikes of channels [begin, end) in some images, a list a channel.
void list_channels(const EventLayer& layer, const std::uint8_t* spikes, std::int64_t first,
                   std::int64_t count, std::int64_t begin, std::int64_t end,
                   std::vector<ChannelSpike>* lists) {
  const PackedImages& images = layer.images;
  const Frame frame = frame_of(layer);
  const float average = 1.0f / static_cast<float>(images.pool * images.pool);
  for (std::int64_t i = 0; i < end - begin; ++i) lists[i].clear();
  for (std::int64_t image = first; image < first + count; ++image) {
    const std::uint8_t* step = spikes + image / images.batch * packed_bytes(images.neurons());
    for (std::int64_t y = 0; y < images.pooled_height(); ++y) {
      for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
        const auto at = static_cast<std::uint32_t>(((image - first) * frame.height + y) * frame.width + x);
        for (std::int64_t dy = 0; dy < images.pool; ++dy) {
          for (std::int64_t dx = 0; dx < images.pool; ++dx) {
            const std::int64_t row = image % images.batch * images.height + y * images.pool + dy;
            const std::int64_t pixel = row * images.width + x * images.pool + dx;
            for_each_bit(step, pixel * images.channels + begin, end - begin, [&](std::int64_t c) {
              std::vector<ChannelSpike>& list = lists[c];
              if (!list.empty() && list.back().pixel == at) {
                list.back().value += average;
              } else {
                list.push_back({at, average});
              }
            });
          }
        }
      }
    }
  }
}

// Rows [weight_rows, filters] -> where the weights lie.
void place(const EventLayer& layer, const float* rows, float* to, const WeightStrides& strides) {
  const std::int64_t channels = layer.images.channels, filters = layer.filters;
  for_each_block(make_blocks(filters, 16), layer.weight_rows() * filters,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = 0; row < layer.weight_rows(); ++row) {
                     float* const at = to + row / channels * strides.tap + row % channels * strides.channel;
                     for (std::int64_t f = begin; f < end; ++f)
                       at[f * strides.filter] = rows[row * filters + f];
                   }
                 });
}

}  // namespace

template <class G>
void event_weight_gradient(const EventLayer& layer, const std::uint8_t* spikes, const G* gradient, float* to,
                           const WeightStrides& strides) {
  if constexpr (std::is_same_v<G, BFloat16>) {
    if (can_pair_spikes(layer)) return paired_weight_gradient(layer, spikes, gradient, to, strides);
  }
  simd_level();
  thread_local AlignedVector<float> all_rows;
  all_rows.resize(static_cast<std::size_t>(layer.weight_rows() * layer.filters));
  float* const grad_weights = all_rows.data();  // the workers must not look for it in their own
  const Frame frame = frame_of(layer);
  const std::int64_t channels = layer.images.channels;
  const std::int64_t image_count = layer.images.num_steps * layer.images.batch;
  const auto image_bytes = frame.height * frame.width * layer.filters * static_cast<std::int64_t>(sizeof(G));
  const std::int64_t chunk = std::max<std::int64_t>(1, kChunkBytes / std::max<std::int64_t>(1, image_bytes));
  const std::int64_t work =
      image_count * layer.images.pooled_height() * layer.images.pooled_width() * channels;
  const Blocks blocks = make_blocks(channels, kChannels);
  for_each_block(blocks, layer.weight_rows() * layer.filters,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t tap = 0; tap < layer.kernel * layer.kernel; ++tap) {
                     float* const rows = grad_weights + tap * channels * layer.filters;
                     std::fill(rows + begin * layer.filters, rows + end * layer.filters, 0.0f);
                   }
                 });
  AlignedVector<G> framed;
  for (std::int64_t first = 0; first < image_count; first += chunk) {
    const std::int64_t count = std::min(chunk, image_count - first);
    const G* from = gradient + first * layer.output_height() * layer.output_width() * layer.filters;
    if (layer.kernel > 1) {
      frame_gradient(layer, gradient, first, count, framed);
      from = framed.data();
    }
    for_each_block(blocks, work, [&](std::int64_t, std::int64_t block_begin, std::int64_t block_end) {
      thread_local std::vector<ChannelSpike> lists[kChannels];
      for (std::int64_t begin = block_begin; begin < block_end; begin += kChannels) {
        const std::int64_t end = std::min(block_end, begin + kChannels);
        list_channels(layer, spikes, first, count, begin, end, lists);
        for (std::int64_t c = begin; c < end; ++c) {
          const std::vector<ChannelSpike>& list = lists[c - begin];
          const auto length = static_cast<std::int64_t>(list.size());
          if (length == 0) continue;
          if constexpr (std::is_same_v<G, float>) {
            HWY_DYNAMIC_DISPATCH(channel_gradient_float)
            (layer, from, frame.width, list.data(), length, c, grad_weights);
          } else {
            HWY_DYNAMIC_DISPATCH(channel_gradient_bfloat16)
            (layer, from, frame.width, list.data(), length, c, grad_weights);
          }
        }
      }
    });
  }
  place(layer, grad_weights, to, strides);
}

template void event_weight_gradient(const EventLayer&, const std::uint8_t*, const float*, float*,
                                    const WeightStrides&);
template void event_weight_gradient(const EventLayer&, const std::uint8_t*, const BFloat16*, float*,
                                    const WeightStrides&);

}  // namespace spikeloom::kernels::cpu
#endif
