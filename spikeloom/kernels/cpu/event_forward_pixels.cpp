#include <algorithm>
#include <cstring>
#include <type_traits>

#include "spikeloom/kernels/cpu/event_layer.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_lists.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/event_forward_pixels.cpp"
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

// Pixels [begin, end), the first of which `output` begins with.
template <class T>
HWY_ATTR void forward_pixels(const EventLayer& layer, const std::uint8_t* spikes,
                             const FixedPointWeights& weights, const float* scale, const float* bias,
                             EventForwardRoom& room, T* output, std::int64_t begin, std::int64_t end) {
  SpikeLists& lists = room.lists;
  AlignedVector<std::int32_t>& sums = room.sums;
  lists.build(layer, spikes, begin, end);
  sums.resize(static_cast<std::size_t>((end - begin) * FixedPointWeights::kBlock));
  for (std::int64_t f = 0; f < weights.stride; f += FixedPointWeights::kBlock) {
    const std::int64_t width = weights.width(f), count = std::min(width, layer.filters - f);
    (width == 32 ? add_block<32> : add_block<64>)(lists, weights.values.data() + f * weights.rows,
                                                  sums.data());
    for (std::int64_t pixel = 0; pixel < end - begin; ++pixel) {
      finish(sums.data() + pixel * width, scale + f, bias != nullptr ? bias + f : nullptr, count,
             output + pixel * layer.filters + f);
    }
  }
}

void forward_float(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                   const float* scale, const float* bias, EventForwardRoom& room, float* output,
                   std::int64_t begin, std::int64_t end) {
  forward_pixels(layer, spikes, weights, scale, bias, room, output, begin, end);
}

void forward_bfloat16(const EventLayer& layer, const std::uint8_t* spikes, const FixedPointWeights& weights,
                      const float* scale, const float* bias, EventForwardRoom& room, BFloat16* output,
                      std::int64_t begin, std::int64_t end) {
  forward_pixels(layer, spikes, weights, scale, bias, room, output, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(forward_float);
HWY_EXPORT(forward_bfloat16);

}  // namespace

void EventForwardRoom::fit(const EventLayer& layer, std::int64_t pixels) {
  lists.reserve(layer, pixels);
  sums.reserve(static_cast<std::size_t>(pixels * FixedPointWeights::kBlock));
}

template <class T>
void event_forward_pixels(const EventLayer& layer, const std::uint8_t* spikes,
                          const FixedPointWeights& weights, const float* scale, const float* bias,
                          std::int64_t begin, std::int64_t end, EventForwardRoom& room, T* output) {
  simd_level();
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(forward_float)(layer, spikes, weights, scale, bias, room, output, begin, end);
  } else {
    HWY_DYNAMIC_DISPATCH(forward_bfloat16)(layer, spikes, weights, scale, bias, room, output, begin, end);
  }
}

template void event_forward_pixels(const EventLayer&, const std::uint8_t*, const FixedPointWeights&,
                                   const float*, const float*, std::int64_t, std::int64_t, EventForwardRoom&,
                                   float*);
template void event_forward_pixels(const EventLayer&, const std::uint8_t*, const FixedPointWeights&,
                                   const float*, const float*, std::int64_t, std::int64_t, EventForwardRoom&,
                                   BFloat16*);

}  // namespace spikeloom::kernels::cpu
#endif
