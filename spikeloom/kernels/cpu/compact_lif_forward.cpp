#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/compact_lif.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/compact_lif_forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_COMPACT_LIF_FORWARD
#define SPIKELOOM_KERNELS_CPU_COMPACT_LIF_FORWARD
namespace spikeloom::kernels::cpu {

// Neurons walked over all steps at a time: a multiple of 64, so that no two chunks share a byte of bits.
constexpr std::int64_t kCompactForwardChunk = 2048;

template <class T>
struct CompactForwardArguments {
  LifSize size;
  NeuronParams params;
  const T* input;
  std::uint8_t* spikes;
  std::uint8_t* state;
};

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The bits of 64 lanes' worth of masks, written as 8 bytes.
template <class D>
struct BitWriter {
  std::uint64_t word = 0;
  template <class M>
  HWY_ATTR HWY_INLINE void add(D d, M mask, std::int64_t lane) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(d, mask, bytes);
    std::uint64_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    word |= bits << lane;
  }
};

enum class Kept { kNothing, kWindow, kOpenCode, kClampedCode };

// 64 neurons, one step.
template <bool kToZero, Kept kKept, class T>
HWY_ATTR HWY_INLINE std::int64_t forward_word(const VPreCode& code, float decay_value, float threshold_value,
                                              const T* input, float* state_v, std::uint8_t* spikes,
                                              std::uint8_t* state) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::int32_t, decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto decay = hn::Set(d, decay_value);
  const auto v_threshold = hn::Set(d, threshold_value);
  const auto half = hn::Set(d, code.half);
  BitWriter<decltype(d)> fired, open;
  for (std::int64_t i = 0; i < 64; i += lanes) {
    const auto v = hn::Add(hn::Mul(decay, hn::LoadU(d, state_v + i)), load_lanes(d, input + i));
    const auto fires = hn::Ge(v, v_threshold);
    fired.add(d, fires, i);
    const auto x = hn::Sub(v, v_threshold);
    hn::StoreU(kToZero ? hn::IfThenZeroElse(fires, v) : hn::IfThenElse(fires, x, v), d, state_v + i);
    if constexpr (kKept == Kept::kWindow) {
      open.add(d, hn::Lt(hn::Abs(x), half), i);
    } else if constexpr (kKept != Kept::kNothing) {
      const auto bounded = hn::Max(hn::Neg(half), hn::Min(half, x));
      const auto position =
          hn::Min(hn::Mul(hn::Add(bounded, half), hn::Set(d, code.per_x)), hn::Set(d, 254.0f));
      auto value = hn::Add(hn::ConvertTo(di, position), hn::Set(di, 1));
      if (kKept == Kept::kOpenCode) {
        value = hn::IfThenElseZero(hn::RebindMask(di, hn::Lt(hn::Abs(x), half)), value);
      }
      hn::StoreU(hn::DemoteTo(d8, value), d8, state + i);
    }
  }
  std::memcpy(spikes, &fired.word, sizeof fired.word);
  if (kKept == Kept::kWindow) std::memcpy(state, &open.word, sizeof open.word);
  return static_cast<std::int64_t>(hwy::PopCount(fired.word));
}

template <bool kToZero, Kept kKept, class T>
HWY_ATTR std::int64_t forward_range(const CompactForwardArguments<T>& arguments, std::int64_t begin,
                                    std::int64_t end) {
  const VPreCode code(arguments.params);
  const auto decay = static_cast<float>(arguments.params.decay);
  const auto v_threshold = static_cast<float>(arguments.params.v_threshold);
  const std::int64_t neurons = arguments.size.neurons, stride = packed_bytes(neurons);
  alignas(64) float v[kCompactForwardChunk];
  std::int64_t count = 0;
  const std::int64_t whole_end = begin + (end - begin) / 64 * 64;
  for (std::int64_t first = begin; first < whole_end; first += kCompactForwardChunk) {
    const std::int64_t length = HWY_MIN(kCompactForwardChunk, whole_end - first);
    for (std::int64_t i = 0; i < length; ++i) v[i] = 0.0f;
    for (std::int64_t t = 0; t < arguments.size.num_steps; ++t) {
      const T* input = arguments.input + (arguments.size.static_input ? first : t * neurons + first);
      std::uint8_t* spikes = arguments.spikes + t * stride + first / 8;
      std::uint8_t* state = arguments.state;
      if (kKept == Kept::kWindow) state += t * stride + first / 8;
      if (kKept == Kept::kOpenCode || kKept == Kept::kClampedCode) state += t * neurons + first;
      for (std::int64_t i = 0; i < length; i += 64) {
        std::uint8_t* word_state = state;
        if (kKept == Kept::kWindow) word_state += i / 8;
        if (kKept == Kept::kOpenCode || kKept == Kept::kClampedCode) word_state += i;
        count += forward_word<kToZero, kKept>(code, decay, v_threshold, input + i, v + i, spikes + i / 8,
                                              word_state);
      }
    }
  }
  if (whole_end == end) return count;
  for (std::int64_t t = 0; t < arguments.size.num_steps; ++t) {
    std::memset(arguments.spikes + t * stride + whole_end / 8, 0, 8);
    if (kKept == Kept::kWindow) std::memset(arguments.state + t * stride + whole_end / 8, 0, 8);
  }
  return count + reference::compact_lif_forward_range(arguments.size, arguments.params, arguments.input,
                                                      arguments.spikes, arguments.state, whole_end, end);
}

template <bool kToZero, class T>
HWY_ATTR std::int64_t choose_kept(const CompactForwardArguments<T>& arguments, std::int64_t begin,
                                  std::int64_t end) {
  if (arguments.state == nullptr) return forward_range<kToZero, Kept::kNothing>(arguments, begin, end);
  if (compact_state(arguments.params) == CompactState::kWindowBit) {
    return forward_range<kToZero, Kept::kWindow>(arguments, begin, end);
  }
  return VPreCode(arguments.params).closes
             ? forward_range<kToZero, Kept::kOpenCode>(arguments, begin, end)
             : forward_range<kToZero, Kept::kClampedCode>(arguments, begin, end);
}

std::int64_t compact_forward_float(const CompactForwardArguments<float>& arguments, std::int64_t begin,
                                   std::int64_t end) {
  return arguments.params.reset == Reset::kZero ? choose_kept<true>(arguments, begin, end)
                                                : choose_kept<false>(arguments, begin, end);
}

std::int64_t compact_forward_bfloat16(const CompactForwardArguments<BFloat16>& arguments, std::int64_t begin,
                                      std::int64_t end) {
  return arguments.params.reset == Reset::kZero ? choose_kept<true>(arguments, begin, end)
                                                : choose_kept<false>(arguments, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(compact_forward_float);
HWY_EXPORT(compact_forward_bfloat16);

}  // namespace

template <class T>
std::int64_t compact_lif_forward(const LifSize& size, const NeuronParams& params, const T* input,
                                 std::uint8_t* spikes, std::uint8_t* state) {
  simd_level();
  const CompactForwardArguments<T> arguments{size, params, input, spikes, state};
  const Blocks blocks = make_blocks(size.neurons, kCompactForwardChunk);
  std::int64_t counts[kMaxBlocks] = {};
  for_each_block(blocks, size.neurons * size.num_steps,
                 [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
                   if constexpr (std::is_same_v<T, float>) {
                     counts[block] = HWY_DYNAMIC_DISPATCH(compact_forward_float)(arguments, begin, end);
                   } else {
                     counts[block] = HWY_DYNAMIC_DISPATCH(compact_forward_bfloat16)(arguments, begin, end);
                   }
                 });
  std::int64_t count = 0;
  for (std::int64_t block = 0; block < blocks.count; ++block) count += counts[block];
  return count;
}

template std::int64_t compact_lif_forward(const LifSize&, const NeuronParams&, const float*, std::uint8_t*,
                                          std::uint8_t*);
template std::int64_t compact_lif_forward(const LifSize&, const NeuronParams&, const BFloat16*, std::uint8_t*,
                                          std::uint8_t*);

}  // namespace spikeloom::kernels::cpu
#endif
