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

// A part of one pixel, 32 filters: from + its rows -> to.
template <int kVectors, int kPitch>
void add_part(const std::int16_t* weights, const SpikeLists& lists, std::int64_t pixel, std::int64_t part,
              const std::int32_t* from, std::int32_t* to) {
  std::copy(from, from + kMostLanes, to);
  for (int plane = 0; plane < lists.planes(); ++plane) {
    const auto list = lists.of(pixel, part, plane);
    for (std::int64_t begin = 0; begin < list.length; begin += kSumLength) {
      const std::int64_t end = std::min<std::int64_t>(list.length, begin + kSumLength);
      std::int16_t acc[kMostLanes] = {};
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int16_t* const row = weights + std::int64_t{list.rows[i]} * kPitch;
        for (int k = 0; k < kMostLanes; ++k) acc[k] = static_cast<std::int16_t>(acc[k] + row[k]);
      }
      for (int k = 0; k < kMostLanes; ++k) to[k] += acc[FixedPointWeights::lane(k)] * (1 << plane);
    }
  }
}
#else
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

// Adds the weight rows of a list, kVectors vectors of them from `weights` on, to sums of 32 bits: those of the
// even lanes and those of the odd ones of each vector.
template <int kVectors, int kPitch, class D, class V>
HWY_ATTR HWY_INLINE void add_rows(D d16, const std::int16_t* weights, SpikeLists::List list, int plane,
                                  V (&sums)[2 * kVectors]) {
  const hn::RepartitionToWide<D> d32;
  const std::size_t lanes = hn::Lanes(d16);
  const auto even = unit(d16, plane, false), odd = unit(d16, plane, true);
  const std::uint16_t* rows = list.rows;
  for (std::int64_t left = list.length; left > 0; left -= kSumLength) {
    const std::int64_t length = std::min<std::int64_t>(left, kSumLength);
    hn::Vec<D> acc[kVectors];
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(d16);
    const std::uint16_t* const last = rows + (length - 1) / 4 * 4;
    for (; rows < last; rows += 4) {
      std::uint64_t four;
      std::memcpy(&four, rows, sizeof four);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const std::int16_t* const row = weights + (four >> (16 * i) & 0xffff) * kPitch;
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) {
          acc[v] = hn::Add(acc[v], hn::Load(d16, row + static_cast<std::size_t>(v) * lanes));
        }
      }
    }
    // The last one to four: without a branch, which would be mispredicted.
    const std::int64_t rest = (length - 1) % 4;
    std::uint64_t four;
    std::memcpy(&four, rows, sizeof four);
    rows += 4;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const std::int16_t* const row = weights + (four >> (16 * i) & 0xffff) * kPitch;
      const auto mask = hn::Set(d16, static_cast<std::int16_t>(i <= rest ? -1 : 0));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        acc[v] = hn::Add(acc[v], hn::And(mask, hn::Load(d16, row + static_cast<std::size_t>(v) * lanes)));
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[2 * v] = add_lanes(d32, acc[v], even, sums[2 * v]);
      sums[2 * v + 1] = add_lanes(d32, acc[v], odd, sums[2 * v + 1]);
    }
  }
}

// A part of one pixel, kVectors vectors of filters: from + its rows -> to.
template <int kVectors, int kPitch>
HWY_ATTR HWY_INLINE void add_part(const std::int16_t* weights, const SpikeLists& lists,
                                  std::int64_t pixel, std::int64_t part, const std::int32_t* from,
                                  std::int32_t* to) {
  const hn::CappedTag<std::int16_t, 32> d16;
  const hn::RepartitionToWide<decltype(d16)> d32;
  const int half = static_cast<int>(hn::Lanes(d32));
  const int per_group = 16 / half;  // vectors of 32 filters
  hn::Vec<decltype(d32)> sums[2 * kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < 2 * kVectors; ++i) {
    sums[i] = hn::Load(d32, from + i / 2 / per_group * 32 + i % 2 * 16 + i / 2 % per_group * half);
  }
  for (int plane = 0; plane < lists.planes(); ++plane) {
    add_rows<kVectors, kPitch>(d16, weights, lists.of(pixel, part, plane), plane, sums);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 2 * kVectors; ++i) {
    hn::Store(sums[i], d32, to + i / 2 / per_group * 32 + i % 2 * 16 + i / 2 % per_group * half);
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

// A block of kPitch filters for all pixels of the lists. A part of its weights (some hundred rows) is small
// enough for the first-level cache and is used for all pixels before the next one. scale, bias and output
// begin with the block.
template <int kPitch, class T>
HWY_ATTR void forward_block(const SpikeLists& lists, std::int64_t pixels, const std::int16_t* weights,
                            const float* scale, const float* bias, std::int64_t count, std::int64_t filters,
                            std::int32_t* sums, T* output) {
  constexpr int kVectors = std::min(kMostVectors, kPitch / kMostLanes), kTogether = kVectors * kMostLanes;
  alignas(64) std::int32_t start[kPitch] = {}, end[kPitch];
  for (std::int64_t part = 0; part < lists.parts(); ++part) {
    const std::int16_t* const rows = weights + lists.first_row(part) * kPitch;
    const bool is_first = part == 0, is_last = part + 1 == lists.parts();
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      const std::int32_t* const from = is_first ? start : sums + pixel * kPitch;
      std::int32_t* const to = is_last ? end : sums + pixel * kPitch;
#pragma GCC unroll 8
      for (int f = 0; f < kPitch; f += kTogether) {
        add_part<kVectors, kPitch>(rows + f, lists, pixel, part, from + f, to + f);
      }
      if (is_last) finish(to, scale, bias, count, output + pixel * filters);
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
    const auto block = weights.width(f) == 32 ? forward_block<32, T> : forward_block<64, T>;
    block(lists, end - begin, weights.values.data() + f * weights.rows, scale + f,
          bias != nullptr ? bias + f : nullptr, std::min(weights.width(f), layer.filters - f), layer.filters,
          sums.data(), output + begin * layer.filters + f);
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
constexpr std::int64_t kPixels = 128;

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
