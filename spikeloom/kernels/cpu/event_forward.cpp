#include <algorithm>
#include <cmath>
#include <vector>

#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/event_forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "spikeloom/kernels/reference/event_layer.h"

namespace spikeloom::kernels::cpu {
namespace {

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
    thread_local EventForwardRoom room;
    event_forward_pixels(layer, spikes, weights, scale.data(), bias, begin, end, room,
                         output + begin * layer.filters);
  });
}

template void event_forward(const EventLayer&, const std::uint8_t*, const FixedPointWeights&, const float*,
                            float*);
template void event_forward(const EventLayer&, const std::uint8_t*, const FixedPointWeights&, const float*,
                            BFloat16*);

}  // namespace spikeloom::kernels::cpu
#endif
