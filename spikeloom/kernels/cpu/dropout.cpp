#include "spikeloom/kernels/cpu/dropout.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "spikeloom/base/random.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_DROPOUT
#define SPIKELOOM_KERNELS_CPU_DROPOUT
namespace spikeloom::kernels::cpu {

// Elements whose random numbers are made at a time. A multiple of 8 times the lanes of any vector, so that
// the vectors of Philox counters are aligned and their low word never wraps within one.
constexpr std::int64_t kDropoutChunk = 2048;

template <class T>
struct DropoutArguments {
  DropoutSize size;
  DropoutKey key;
  std::uint32_t threshold;
  std::conditional_t<std::is_same_v<T, double>, double, float> scale;
  const T* input;
  T* output;
  std::int64_t number;  ///< of the first element
};

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

// The numbers of the elements [8 * first, 8 * (first + count)).
inline void make_numbers(DropoutKey key, std::uint64_t first, std::int64_t count, std::uint16_t* numbers) {
  const auto low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t block = first + static_cast<std::uint64_t>(i);
    const auto words = philox4x32({low(block), low(block >> 32), low(key.counter), low(key.counter >> 32)},
                                  {low(key.key), low(key.key >> 32)});
    for (std::size_t w = 0; w < 4; ++w) {
      *numbers++ = static_cast<std::uint16_t>(words[w]);
      *numbers++ = static_cast<std::uint16_t>(words[w] >> 16);
    }
  }
}

#else

// Low and high words of b * factor in every lane.
template <class D, class V = hn::Vec<D>>
HWY_ATTR HWY_INLINE void multiply_wide(D d, V b, V factor, V& low, V& high) {
  const hn::RepartitionToWide<D> wide;
  const auto even = hn::MulEven(b, factor);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, b))), factor);
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
}

// The numbers of the elements [8 * first, 8 * (first + count)), count rounded up to whole vectors:
// Philox4x32-10 (see philox4x32) with one counter a lane.
HWY_ATTR inline void make_numbers(DropoutKey key, std::uint64_t first, std::int64_t count,
                                  std::uint16_t* numbers) {
  const hn::ScalableTag<std::uint32_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto factor0 = hn::Set(d, 0xD2511F53u);
  const auto factor1 = hn::Set(d, 0xCD9E8D57u);
  for (std::int64_t i = 0; i < count; i += lanes) {
    const std::uint64_t block = first + static_cast<std::uint64_t>(i);
    auto c0 = hn::Add(hn::Set(d, static_cast<std::uint32_t>(block)), hn::Iota(d, 0));
    auto c1 = hn::Set(d, static_cast<std::uint32_t>(block >> 32));
    auto c2 = hn::Set(d, static_cast<std::uint32_t>(key.counter));
    auto c3 = hn::Set(d, static_cast<std::uint32_t>(key.counter >> 32));
    auto key0 = static_cast<std::uint32_t>(key.key);
    auto key1 = static_cast<std::uint32_t>(key.key >> 32);
    for (int round = 0; round < 10; ++round) {
      auto low0 = c0, high0 = c0, low1 = c2, high1 = c2;
      multiply_wide(d, c0, factor0, low0, high0);
      multiply_wide(d, c2, factor1, low1, high1);
      c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, key0));
      c1 = low1;
      c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, key1));
      c3 = low0;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    // Little endian: the low half of a word comes first, as the rule wants.
    hn::StoreInterleaved4(c0, c1, c2, c3, d, reinterpret_cast<std::uint32_t*>(numbers + 8 * i));
  }
}

#endif

template <class DI, class V>
HWY_ATTR HWY_INLINE hn::Vec<DI> widen_number(DI di, V number) {
  const hn::Rebind<std::int32_t, DI> d32;
  if constexpr (sizeof(hn::TFromD<DI>) == 4) {
    return hn::PromoteTo(di, number);
  } else {
    return hn::PromoteTo(di, hn::PromoteTo(d32, number));
  }
}

// Lanes of double, as load_lanes and store_lanes have those of float and BFloat16.
template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> load_lanes(D d, const double* from) {
  return hn::LoadU(d, from);
}
template <class D, class V>
HWY_ATTR HWY_INLINE void store_lanes(D d, V value, double* to) {
  hn::StoreU(value, d, to);
}

template <class D, class T>
HWY_ATTR HWY_INLINE void apply_numbers(D d, const DropoutArguments<T>& arguments,
                                       const std::uint16_t* numbers, std::int64_t begin, std::int64_t end,
                                       const T* input, T* output) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint16_t, D> d16;
  const auto last_dropped = hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(arguments.threshold) - 1);
  const auto scale = hn::Set(d, arguments.scale);
  for (std::int64_t i = begin; i < end; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto kept = hn::Gt(widen_number(di, hn::LoadU(d16, numbers + i)), last_dropped);
    const auto value = hn::Mul(load_lanes(d, input + i), scale);
    store_lanes(d, hn::IfThenElseZero(hn::RebindMask(d, kept), value), output + i);
  }
}

// Elements [begin, end) of one mask, on every row that uses it; begin is a multiple of kDropoutChunk.
template <class T>
HWY_ATTR void dropout_block(const DropoutArguments<T>& arguments, std::int64_t begin, std::int64_t end) {
  using Lane = decltype(arguments.scale);  // BFloat16 is computed in float
  const hn::ScalableTag<std::remove_const_t<Lane>> d;
  const hn::CappedTag<std::remove_const_t<Lane>, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t rows = arguments.size.same_mask_each_step ? arguments.size.num_steps : 1;
  alignas(64) std::uint16_t numbers[kDropoutChunk];
  for (std::int64_t first = begin; first < end; first += kDropoutChunk) {
    const std::int64_t length = HWY_MIN(kDropoutChunk, end - first);
    const std::int64_t whole = length / lanes * lanes;
    make_numbers(arguments.key, static_cast<std::uint64_t>((arguments.number + first) / 8), (length + 7) / 8,
                 numbers);
    for (std::int64_t row = 0; row < rows; ++row) {
      const T* input = arguments.input + row * arguments.size.elements + first;
      T* output = arguments.output + row * arguments.size.elements + first;
      apply_numbers(d, arguments, numbers, 0, whole, input, output);
      apply_numbers(single, arguments, numbers, whole, length, input, output);
    }
  }
}

void dropout_float(const DropoutArguments<float>& arguments, std::int64_t begin, std::int64_t end) {
  dropout_block(arguments, begin, end);
}

void dropout_bfloat16(const DropoutArguments<BFloat16>& arguments, std::int64_t begin, std::int64_t end) {
  dropout_block(arguments, begin, end);
}

void dropout_double(const DropoutArguments<double>& arguments, std::int64_t begin, std::int64_t end) {
  dropout_block(arguments, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(dropout_float);
HWY_EXPORT(dropout_bfloat16);
HWY_EXPORT(dropout_double);

}  // namespace

// One step that begins within a block of random numbers: what belongs to that block has a block's memory of
// its own, and the rest is aligned.
template <class T>
void apply_from_within(const DropoutSize& step, double p, DropoutKey key, const T* input, T* output) {
  const std::int64_t before = step.first % DropoutSize::kPart;
  const std::int64_t count = std::min(DropoutSize::kPart - before, step.elements);
  std::array<T, DropoutSize::kPart> block{};
  std::copy_n(input, count, block.data() + before);
  DropoutSize part = step;
  part.first -= before;
  part.elements = before + count;
  dropout_apply(part, p, key, block.data(), block.data());
  std::copy_n(block.data() + before, count, output);
  part.first += DropoutSize::kPart;
  part.elements = step.elements - count;
  if (part.elements > 0) dropout_apply(part, p, key, input + count, output + count);
}

template <class T>
void dropout_apply(const DropoutSize& size, double p, DropoutKey key, const T* input, T* output) {
  simd_level();
  const bool aligned = size.first % DropoutSize::kPart == 0;
  if (size.num_steps == 1 && !aligned) return apply_from_within(size, p, key, input, output);
  if ((size.whole != 0 && !size.same_mask_each_step) || !aligned) {
    // Numbers do not run on from one step of a part to its next.
    DropoutSize step = size;
    step.num_steps = 1;
    step.whole = 0;
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      step.first = (size.same_mask_each_step ? 0 : t * size.whole_elements()) + size.first;
      dropout_apply(step, p, key, input + t * size.elements, output + t * size.elements);
    }
    return;
  }
  DropoutArguments<T> arguments{size, key, dropout_threshold(p), {}, input, output, size.first};
  arguments.scale = static_cast<decltype(arguments.scale)>(dropout_scale(p));
  const std::int64_t total = size.num_steps * size.elements;
  // Without a mask a step, the numbers run on over the steps as over one long row.
  const std::int64_t masked = size.same_mask_each_step ? size.elements : total;
  const auto run = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(dropout_float)(arguments, begin, end);
    } else if constexpr (std::is_same_v<T, BFloat16>) {
      HWY_DYNAMIC_DISPATCH(dropout_bfloat16)(arguments, begin, end);
    } else {
      HWY_DYNAMIC_DISPATCH(dropout_double)(arguments, begin, end);
    }
  };
  for_each_block(make_blocks(total > 0 ? masked : 0, kDropoutChunk), total, run);
}

template void dropout_apply(const DropoutSize&, double, DropoutKey, const float*, float*);
template void dropout_apply(const DropoutSize&, double, DropoutKey, const BFloat16*, BFloat16*);
template void dropout_apply(const DropoutSize&, double, DropoutKey, const double*, double*);

}  // namespace spikeloom::kernels::cpu
#endif
