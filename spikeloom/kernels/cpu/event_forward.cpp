#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_lists.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/event_forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR
constexpr int kMostLanes = 32, kMostVectors = 1;

// Adds a part to the sums of 32 filters, [pixel][kPitch].
template <int kVectors, int kPitch>
void add_part(const std::int16_t* weights, const SpikeLists::Part& part, std::int64_t pixels, int planes,
              std::int32_t* sums) {
  for (std::int64_t i = 0; i < pixels * planes; ++i) {
    std::int32_t* const to = sums + i / planes * kPitch;
    const std::uint16_t* const rows = part.rows + part.lists[i].first;
    for (std::int64_t begin = 0; begin < part.lists[i].length; begin += kSumLength) {
      const std::int64_t end = std::min<std::int64_t>(part.lists[i].length, begin + kSumLength);
      std::int16_t acc[kMostLanes] = {};
      for (std::int64_t k = begin; k < end; ++k) {
        const std::int16_t* const row = weights + std::int64_t{rows[k]} * kPitch;
        for (int f = 0; f < kMostLanes; ++f) acc[f] = static_cast<std::int16_t>(acc[f] + row[f]);
      }
      for (int f = 0; f < kMostLanes; ++f) to[f] += acc[FixedPointWeights::lane(f)] * (1 << i % planes);
    }
  }
}
#else
constexpr std::int64_t kLine = 32;  // weights of a cache line
constexpr int kMostLanes = static_cast<int>(hn::MaxLanes(hn::CappedTag<std::int16_t, 32>()));
// Sums and accumulators of so many vectors stay in registers.
constexpr int kMostVectors = HWY_TARGET <= HWY_AVX3 ? 2 : 4;

// Lanes of 16 bits whose products with pairs of lanes widen the even ones, or the odd ones, and scale them by
// 2^plane.
template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> unit(D d16, int plane, bool odd) {
  const hn::RepartitionToWide<D> d32;
  return hn::BitCast(d16, hn::Set(d32, std::int32_t{1} << (odd ? plane + 16 : plane)));
}

// sums + the even or the odd lanes of `values`.
template <class D, class V, class W>
HWY_ATTR HWY_INLINE W add_lanes(D d32, V values, V unit, W sums) {
#if HWY_ARCH_X86
  return hn::ReorderWidenMulAccumulate(d32, values, unit, sums, sums);  // pairs of neighbours
#else
  const hn::Repartition<std::int16_t, D> d16;
  const auto high = hn::And(hn::BitCast(d32, values), hn::Set(d32, -65536));
  const auto low = hn::ShiftLeft<16>(hn::BitCast(d32, values));
  const auto factor = hn::BitCast(d32, unit);
  const auto even = hn::Mul(hn::ShiftRight<16>(low), hn::ShiftRight<16>(hn::ShiftLeft<16>(factor)));
  const auto odd = hn::Mul(hn::ShiftRight<16>(high), hn::ShiftRight<16>(factor));
  static_cast<void>(d16);
  return hn::Add(sums, hn::Add(even, odd));
#endif
}

template <int kVectors, class D, class V>
HWY_ATTR HWY_INLINE void add_row(D d16, const std::int16_t* row, V (&acc)[kVectors]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    acc[v] = hn::Add(acc[v], hn::Load(d16, row + static_cast<std::size_t>(v) * hn::Lanes(d16)));
  }
}

// Their numbers are one load.
template <int kVectors, int kPitch, class D, class V>
HWY_ATTR HWY_INLINE void add_four(D d16, const std::int16_t* weights, const std::uint16_t* rows,
                                  V (&acc)[kVectors]) {
  std::uint64_t four;
  std::memcpy(&four, rows, sizeof four);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    add_row<kVectors>(d16, weights + (four >> (16 * i) & 0xffff) * kPitch, acc);
  }
}

// Adds weight rows, kVectors vectors of them from `weights` on, to sums of 32 bits: those of the even lanes
// and those of the odd ones of each vector.
template <int kVectors, int kPitch, class D, class U, class V>
HWY_ATTR HWY_INLINE void add_rows(D d16, const std::int16_t* weights, const std::uint16_t* rows,
                                  std::int64_t left, U even, U odd, V (&sums)[2 * kVectors]) {
  const hn::RepartitionToWide<D> d32;
  hn::Vec<D> acc[kVectors];
  const auto flush = [&]() HWY_ATTR {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[2 * v] = add_lanes(d32, acc[v], even, sums[2 * v]);
      sums[2 * v + 1] = add_lanes(d32, acc[v], odd, sums[2 * v + 1]);
    }
  };
  for (; left >= kSumLength; left -= kSumLength) {
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(d16);
    const std::uint16_t* const end = rows + kSumLength;
#pragma GCC unroll 1
    for (; rows < end; rows += 4) add_four<kVectors, kPitch>(d16, weights, rows, acc);
    flush();
  }
  for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(d16);
  for (; left >= 4; left -= 4, rows += 4) add_four<kVectors, kPitch>(d16, weights, rows, acc);
  for (; left > 0; --left, ++rows) add_row<kVectors>(d16, weights + std::int64_t{*rows} * kPitch, acc);
  flush();
}

// Adds a part to the sums of kVectors vectors of filters, [pixel][kPitch].
template <int kVectors, int kPitch>
HWY_ATTR HWY_NOINLINE void add_part(const std::int16_t* weights, const SpikeLists::Part& part,
                                    std::int64_t pixels, int planes, std::int32_t* all_sums) {
  const hn::CappedTag<std::int16_t, 32> d16;
  const hn::RepartitionToWide<decltype(d16)> d32;
  const int half = static_cast<int>(hn::Lanes(d32));
  const int per_group = 16 / half;  // vectors of 32 filters
  const auto place = [&](int k)
                         HWY_ATTR { return k / 2 / per_group * 32 + k % 2 * 16 + k / 2 % per_group * half; };
  const std::uint16_t *const all_rows = part.rows, *const order = part.order;
  const auto even = unit(d16, 0, false), odd = unit(d16, 0, true);
  // The weights of the next part lie behind: into the second-level cache, a piece for each pixel.
  const std::int16_t* next = weights + part.num_rows * kPitch;
  const std::int64_t lines = (part.num_rows * kPitch / kLine + pixels - 1) / pixels;
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t line = 0; line < lines; ++line, next += kLine) __builtin_prefetch(next, 0, 2);
    const std::int64_t pixel = order[i];
    const SpikeLists::List* const lists = part.lists + pixel * planes;
    std::int32_t* const to = all_sums + pixel * kPitch;
    hn::Vec<decltype(d32)> sums[2 * kVectors];
#pragma GCC unroll 16
    for (int k = 0; k < 2 * kVectors; ++k) sums[k] = hn::Load(d32, to + place(k));
    add_rows<kVectors, kPitch>(d16, weights, all_rows + lists[0].first, lists[0].length, even, odd, sums);
    for (int plane = 1; plane < planes; ++plane) {
      if (lists[plane].length == 0) continue;
      add_rows<kVectors, kPitch>(d16, weights, all_rows + lists[plane].first, lists[plane].length,
                                 unit(d16, plane, false), unit(d16, plane, true), sums);
    }
#pragma GCC unroll 16
    for (int k = 0; k < 2 * kVectors; ++k) hn::Store(sums[k], d32, to + place(k));
  }
}
#endif

// One block of filters of one pixel: sums -> output. `count` filters, the last ones not in whole vectors.
template <class T>
HWY_ATTR HWY_INLINE void finish(const std::int32_t* sums, const float* scale, const float* bias,
                                std::int64_t count, T* output) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> d32;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t f = 0;
  for (; f + lanes <= count; f += lanes) {
    auto value = hn::Mul(hn::ConvertTo(d, hn::LoadU(d32, sums + f)), hn::LoadU(d, scale + f));
    if (bias != nullptr) value = hn::Add(value, hn::LoadU(d, bias + f));
    store_lanes(d, value, output + f);
  }
  for (; f < count; ++f) {
    const float value = static_cast<float>(sums[f]) * scale[f];
    output[f] = from_float<T>(bias != nullptr ? value + bias[f] : value);
  }
}

// Sums of a block of kPitch filters for all pixels of the lists. A part of its weights (some hundred rows) is
// small enough for the first-level cache and is used for all pixels before the next one.
template <int kPitch>
HWY_ATTR void add_block(const SpikeLists& lists, const std::int16_t* weights, std::int32_t* sums) {
  constexpr int kVectors = std::min(kMostVectors, kPitch / kMostLanes), kTogether = kVectors * kMostLanes;
  std::fill(sums, sums + lists.pixels() * kPitch, 0);
  for (std::int64_t i = 0; i < lists.parts(); ++i) {
    const SpikeLists::Part part = lists.part(i);
    for (int f = 0; f < kPitch; f += kTogether) {
      add_part<kVectors, kPitch>(weights + part.first_row * kPitch + f, part, lists.pixels(), lists.planes(),
                                 sums + f);
    }
  }
}

// Pixels [begin, end).
template <class T>
HWY_ATTR void forward_pixels(const EventLayer& layer, const std::uint8_t* spikes,
                             const FixedPointWeights& weights, const float* scale, const float* bias,
                             T* output, std::int64_t begin, std::int64_t end) {
  thread_local SpikeLists lists;
  thread_local AlignedVector<std::int32_t> sums;
  lists.build(layer, spikes, begin, end);
  sums.resize(static_cast<std::size_t>((end - begin) * FixedPointWeights::kBlock));
  for (std::int64_t f = 0; f < weights.stride; f += FixedPointWeights::kBlock) {
    const std::int64_t width = weights.width(f), count = std::min(width, layer.filters - f);
    (width == 32 ? add_block<32> : add_block<64>)(lists, weights.values.data() + f * weights.rows,
                                                  sums.data());
    for (std::int64_t pixel = 0; pixel < end - begin; ++pixel) {
      finish(sums.data() + pixel * width, scale + f, bias != nullptr ? bias + f : nullptr, count,
             output + (begin + pixel) * layer.filters + f);
    }
  }
}

// A row of weights to integers of 16 bits: rounded to the nearest, ties to even.
HWY_ATTR void to_fixed_point(const float* weights, std::int64_t stride, float inverse, std::int64_t count,
                             std::int16_t* to) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> d32;
  const hn::Rebind<std::int16_t, decltype(d)> d16;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr auto kLimit = static_cast<std::int32_t>(kLargestWeight);
  std::int64_t i = 0;
  if (stride == 1) {
    for (; i + lanes <= count; i += lanes) {
      const auto value = hn::NearestInt(hn::Mul(hn::LoadU(d, weights + i), hn::Set(d, inverse)));
      const auto clamped = hn::Min(hn::Max(value, hn::Set(d32, -kLimit)), hn::Set(d32, kLimit));
      hn::StoreU(hn::DemoteTo(d16, clamped), d16, to + i);
    }
  }
  for (; i < count; ++i) {
    const float value = std::nearbyint(weights[i * stride] * inverse);
    to[i] = static_cast<std::int16_t>(std::clamp<float>(value, -kLimit, kLimit));
  }
}

// The largest |weight| of a row.
HWY_ATTR float largest_weight(const float* weights, std::int64_t stride, std::int64_t count, float most) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  if (stride == 1) {
    auto largest = hn::Set(d, most);
    for (; i + lanes <= count; i += lanes) largest = hn::Max(largest, hn::Abs(hn::LoadU(d, weights + i)));
    most = hn::GetLane(hn::MaxOfLanes(d, largest));
  }
  for (; i < count; ++i) most = std::max(most, std::fabs(weights[i * stride]));
  return most;
}

void forward_float(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                   const float* scale, const float* bias, float* output, std::int64_t begin,
                   std::int64_t end) {
  forward_pixels(layer, spikes, weights, scale, bias, output, begin, end);
}

void forward_bfloat16(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                      const float* scale, const float* bias, BFloat16* output, std::int64_t begin,
                      std::int64_t end) {
  forward_pixels(layer, spikes, weights, scale, bias, output, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "spikeloom/kernels/reference/event_layer.h"

namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(forward_float);
HWY_EXPORT(forward_bfloat16);
HWY_EXPORT(to_fixed_point);
HWY_EXPORT(largest_weight);

/// Pixels that a part of the weights is used for.
constexpr std::int64_t kPixels = 256;

}  // namespace

FixedPointWeights fixed_point_weights(const EventLayer& layer, const float* weights,
                                      const WeightStrides& strides) {
  simd_level();
  FixedPointWeights fixed;
  const std::int64_t filters = layer.filters, channels = layer.images.channels;
  const std::int64_t taps = layer.kernel * layer.kernel;
  fixed.rows = layer.weight_rows();
  fixed.stride = (filters + 31) / 32 * 32;
  fixed.values.resize(static_cast<std::size_t>(fixed.rows * fixed.stride));
  fixed.scale.assign(static_cast<std::size_t>(fixed.stride), 0.0f);
  constexpr std::int64_t kTogether = 32;  // filters
  const Blocks blocks = make_blocks(fixed.stride, kTogether);
  for_each_block(blocks, fixed.rows * filters, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    thread_local std::vector<std::int16_t> rounded;
    rounded.resize(static_cast<std::size_t>(kTogether * channels));
    for (std::int64_t first = begin; first < end; first += kTogether) {
      const std::int64_t count = std::min(kTogether, filters - first);
      float inverse[kTogether] = {};
      for (std::int64_t f = 0; f < count; ++f) {
        const float* const from = weights + (first + f) * strides.filter;
        float most = 0.0f;
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          most =
              HWY_DYNAMIC_DISPATCH(largest_weight)(from + tap * strides.tap, strides.channel, channels, most);
        }
        const float scale = most / static_cast<float>(kLargestWeight);
        fixed.scale[static_cast<std::size_t>(first + f)] = scale;
        inverse[f] = scale > 0.0f ? 1.0f / scale : 0.0f;
      }
      std::fill(rounded.begin(), rounded.end(), static_cast<std::int16_t>(0));
      const std::int64_t width = fixed.width(first / FixedPointWeights::kBlock * FixedPointWeights::kBlock);
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        for (std::int64_t f = 0; f < count; ++f) {
          HWY_DYNAMIC_DISPATCH(to_fixed_point)
          (weights + (first + f) * strides.filter + tap * strides.tap, strides.channel, inverse[f], channels,
           rounded.data() + f * channels);
        }
        std::int16_t* to = fixed.values.data() + fixed.at(tap * channels, first);
        for (std::int64_t c = 0; c < channels; ++c, to += width) {
          for (std::int64_t f = 0; f < kTogether; ++f)
            to[FixedPointWeights::lane(f)] = rounded[static_cast<std::size_t>(f * channels + c)];
        }
      }
    }
  });
  return fixed;
}

template <class T>
void event_forward(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                   const float* bias, T* output) {
  simd_level();
  const float average = 1.0f / static_cast<float>(layer.images.pool * layer.images.pool);
  std::vector<float> scale(weights.scale);
  for (float& value : scale) value *= average;
  const std::int64_t pixels = layer.output_pixels();
  Blocks blocks;
  blocks.total = pixels;
  blocks.length = kPixels;
  blocks.count = (pixels + kPixels - 1) / kPixels;
  for_each_block(blocks, pixels * layer.filters, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(forward_float)
      (layer, spikes, weights, scale.data(), bias, output, begin, end);
    } else {
      HWY_DYNAMIC_DISPATCH(forward_bfloat16)
      (layer, spikes, weights, scale.data(), bias, output, begin, end);
    }
  });
}

template void event_forward(const EventLayer&, const std::uint8_t*, const FixedPointWeights&, const float*,
                            float*);
template void event_forward(const EventLayer&, const std::uint8_t*, const FixedPointWeights&, const float*,
                            BFloat16*);

}  // namespace spikeloom::kernels::cpu
#endif
