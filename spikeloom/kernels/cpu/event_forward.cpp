#include <algorithm>
#include <cmath>
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

// Adds the lanes of a vector of 16 bits to as many sums of 32 bits.
template <class V>
HWY_ATTR HWY_INLINE void add_wide(V values, std::int32_t* sums) {
  const hn::ScalableTag<std::int32_t> d32;
#if HWY_TARGET == HWY_SCALAR
  hn::StoreU(hn::Add(hn::LoadU(d32, sums), hn::PromoteTo(d32, values)), d32, sums);
#else
  const hn::Half<hn::ScalableTag<std::int16_t> > half;
  const std::size_t lanes = hn::Lanes(d32);
  const auto low = hn::PromoteTo(d32, hn::LowerHalf(half, values));
  const auto high = hn::PromoteTo(d32, hn::UpperHalf(half, values));
  hn::StoreU(hn::Add(hn::LoadU(d32, sums), low), d32, sums);
  hn::StoreU(hn::Add(hn::LoadU(d32, sums + lanes), high), d32, sums + lanes);
#endif
}

// Adds the weight rows of a list, kVectors vectors of them from `weights` on, to sums.
template <int kVectors>
HWY_ATTR HWY_INLINE void add_rows(const std::int16_t* weights, std::int64_t stride, const std::uint32_t* list,
                                  std::int64_t length, std::int32_t* sums) {
  const hn::ScalableTag<std::int16_t> d16;
  const std::size_t lanes = hn::Lanes(d16);
  for (std::int64_t begin = 0; begin < length; begin += kSumLength) {
    const std::int64_t end = std::min<std::int64_t>(length, begin + kSumLength);
    hn::Vec<decltype(d16)> acc[kVectors];
    for (int v = 0; v < kVectors; ++v) acc[v] = hn::Zero(d16);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int16_t* HWY_RESTRICT row = weights + static_cast<std::int64_t>(list[i]) * stride;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        acc[v] = hn::Add(acc[v], hn::LoadU(d16, row + static_cast<std::size_t>(v) * lanes));
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) add_wide(acc[v], sums + static_cast<std::size_t>(v) * lanes);
  }
}

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

// Pixels [begin, end). A part of the weights (some hundred rows of a block of filters) is small enough for
// the first-level cache and is used for all pixels before the next one.
template <class T>
HWY_ATTR void forward_pixels(const EventLayer& layer, const std::uint8_t* spikes,
                             const FixedPointWeights& weights, const float* scale, const float* bias,
                             T* output, std::int64_t begin, std::int64_t end) {
  const hn::ScalableTag<std::int16_t> d16;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d16));
  constexpr int kVectors = HWY_TARGET <= HWY_AVX3 ? 2 : 4;  // of a whole block, where it has so few
  thread_local SpikeLists lists;
  thread_local AlignedVector<std::int32_t> sums;
  lists.build(layer, spikes, begin, end);
  for (std::int64_t f = 0; f < weights.stride; f += FixedPointWeights::kBlock) {
    const std::int64_t width = weights.width(f);
    const std::int16_t* const from = weights.values.data() + f * weights.rows;
    sums.assign(static_cast<std::size_t>((end - begin) * width), 0);
    for (std::int64_t part = 0; part < lists.parts(); ++part) {
      for (std::int64_t pixel = 0; pixel < end - begin; ++pixel) {
        const auto list = lists.of(pixel, part);
        if (list.length == 0) continue;
        std::int32_t* const to = sums.data() + pixel * width;
        std::int64_t v = 0;
        for (; v + kVectors * lanes <= width; v += kVectors * lanes) {
          add_rows<kVectors>(from + v, width, list.first, list.length, to + v);
        }
        for (; v < width; v += lanes) add_rows<1>(from + v, width, list.first, list.length, to + v);
      }
    }
    const std::int64_t count = std::min(width, layer.filters - f);
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
            to[f] = rounded[static_cast<std::size_t>(f * channels + c)];
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
