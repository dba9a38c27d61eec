#include <array>
#include <cstring>
#include <type_traits>
#include <vector>

#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/cpu/neuron_kind.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/window_codes.h"
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
constexpr std::int64_t kCompactForwardChunk = CodeStore::kChunk;

template <class T>
struct CompactForwardArguments {
  LifSize size;
  NeuronParams params;
  const T* input;
  std::uint8_t* spikes;
  const CompactLifState* state;
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

enum class Kept { kNothing, kWindow, kOpenCode, kTailCode };

inline Kept kept_of(const NeuronParams& params) {
  switch (compact_state(params)) {
    case CompactState::kWindowBit:
      return Kept::kWindow;
    case CompactState::kOpenCode:
      return Kept::kOpenCode;
    case CompactState::kTailCode:
      break;
  }
  return Kept::kTailCode;
}

template <Kept kKept>
using CodeOf = std::conditional_t<kKept == Kept::kTailCode, std::uint16_t, std::uint8_t>;

// What one step reads besides its input.
struct StepConstants {
  explicit StepConstants(const NeuronParams& params)
      : decay(static_cast<float>(params.decay)),
        v_threshold(static_cast<float>(params.v_threshold)),
        v_reset(static_cast<float>(params.v_reset)),
        current_decay(static_cast<float>(params.current_decay)),
        has_current(params.current_decay != 0.0),
        reset(params.reset) {}
  float decay, v_threshold, v_reset, current_decay;
  bool has_current;
  Reset reset;
};

// 64 neurons, one step; `currents` only of the general neuron.
template <Neuron kNeuron, Kept kKept, class T>
HWY_ATTR HWY_INLINE void forward_word(const VPreCode& code, const StepConstants& constants, const T* input,
                                      float* state_v, float* currents, std::uint8_t* spikes,
                                      std::uint8_t* windows, CodeOf<kKept>* codes, CompactLifCounts& counts) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::int32_t, decltype(d)> di;
  const hn::Rebind<CodeOf<kKept>, decltype(d)> d_code;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto decay = hn::Set(d, constants.decay);
  const auto v_threshold = hn::Set(d, constants.v_threshold);
  const auto half = hn::Set(d, code.half);
  BitWriter<decltype(d)> fired, open;
  for (std::int64_t i = 0; i < 64; i += lanes) {
    auto current = load_lanes(d, input + i);
    if (kNeuron == Neuron::kGeneral && constants.has_current) {
      current = hn::Add(hn::Mul(hn::Set(d, constants.current_decay), hn::LoadU(d, currents + i)), current);
      hn::StoreU(current, d, currents + i);
    }
    const auto v = hn::Add(hn::Mul(decay, hn::LoadU(d, state_v + i)), current);
    const auto fires = hn::Ge(v, v_threshold);
    fired.add(d, fires, i);
    const auto x = hn::Sub(v, v_threshold);
    if constexpr (kNeuron == Neuron::kGeneral) {
      auto after = v;
      if (constants.reset == Reset::kZero) after = hn::IfThenElse(fires, hn::Set(d, constants.v_reset), v);
      if (constants.reset == Reset::kSubtract) after = hn::IfThenElse(fires, x, v);
      hn::StoreU(after, d, state_v + i);
    } else {
      const bool to_zero = kNeuron == Neuron::kToZero;
      hn::StoreU(to_zero ? hn::IfThenZeroElse(fires, v) : hn::IfThenElse(fires, x, v), d, state_v + i);
    }
    if constexpr (kKept == Kept::kWindow || kKept == Kept::kOpenCode)
      open.add(d, hn::Lt(hn::Abs(x), half), i);
    if constexpr (kKept == Kept::kTailCode) {
      const auto distance = hn::Add(hn::Abs(x), hn::Set(d, code.offset));
      auto position = hn::Min(hn::Div(hn::Set(d, code.numerator), distance), hn::Set(d, 65535.0f));
      if (code.exact_window) {
        const auto if_open = hn::Max(position, hn::Set(d, VPreCode::kOpenFrom));
        const auto if_closed = hn::Min(position, hn::Set(d, VPreCode::kClosedTo));
        position = hn::IfThenElse(hn::Lt(hn::Abs(x), half), if_open, if_closed);
      }
      hn::StoreU(hn::DemoteTo(d_code, hn::ConvertTo(di, position)), d_code, codes + i);
    }
    if constexpr (kKept == Kept::kOpenCode) {
      const auto position = hn::Min(hn::Mul(hn::Abs(x), hn::Set(d, code.per_x)), hn::Set(d, 254.0f));
      // At a closed window any code will do: pack_codes leaves it out.
      hn::StoreU(hn::DemoteTo(d_code, hn::Add(hn::ConvertTo(di, position), hn::Set(di, 1))), d_code,
                 codes + i);
    }
  }
  std::memcpy(spikes, &fired.word, sizeof fired.word);
  counts.spikes += static_cast<std::int64_t>(hwy::PopCount(fired.word));
  if (kKept == Kept::kWindow || kKept == Kept::kOpenCode) {
    std::memcpy(windows, &open.word, sizeof open.word);
    counts.open_windows += static_cast<std::int64_t>(hwy::PopCount(open.word));
  }
}

// The neurons after the last whole word, fewer than 64.
template <class T>
void forward_tail(Kept keeps, const CompactForwardArguments<T>& arguments, std::int64_t begin,
                  std::int64_t end, CompactLifCounts& counts) {
  const LifSize& size = arguments.size;
  const std::int64_t steps = size.num_steps, stride = packed_bytes(size.neurons);
  std::vector<std::uint8_t> rows, packed;
  std::uint8_t* kept = nullptr;
  if (keeps == Kept::kWindow) kept = arguments.state->open;
  if (keeps == Kept::kTailCode) kept = reinterpret_cast<std::uint8_t*>(arguments.state->all_codes);
  if (keeps == Kept::kOpenCode) {
    rows.assign(static_cast<std::size_t>(steps * 64), 0);
    packed.resize(rows.size() + 64);
    kept = rows.data();
  }
  for (std::int64_t t = 0; t < steps; ++t) {
    std::memset(arguments.spikes + t * stride + begin / 8, 0, 8);
    if (keeps == Kept::kWindow) std::memset(kept + t * stride + begin / 8, 0, 8);
  }
  const reference::CodeRows where =
      keeps == Kept::kOpenCode ? reference::CodeRows{64, begin} : reference::CodeRows{};
  counts.spikes += reference::compact_lif_forward_range(size, arguments.params, arguments.input,
                                                        arguments.spikes, kept, begin, end, where);
  if (keeps == Kept::kNothing || keeps == Kept::kTailCode) return;
  std::int64_t count = 0;
  for (std::int64_t t = 0; t < steps; ++t) {
    std::uint8_t* const windows = arguments.state->open + t * stride + begin / 8;
    std::uint64_t word = 0;
    if (keeps == Kept::kWindow) {
      std::memcpy(&word, windows, sizeof word);
    } else {
      for (unsigned i = 0; i < 64; ++i) word |= std::uint64_t{kept[t * 64 + i] != 0} << i;
      std::memcpy(windows, &word, sizeof word);
      count += pack_codes(64, kept + t * 64, windows, packed.data() + count);
    }
    counts.open_windows += static_cast<std::int64_t>(hwy::PopCount(word));
  }
  if (keeps == Kept::kOpenCode) {
    const std::int64_t chunk = (begin + CodeStore::kChunk - 1) / CodeStore::kChunk;
    std::memcpy(arguments.state->codes->add(chunk, count), packed.data(), static_cast<std::size_t>(count));
  }
}

// One step of a chunk: `length` neurons, a multiple of 64. `codes` has the type that kKept says.
template <Neuron kNeuron, Kept kKept, class T>
HWY_ATTR void forward_row(const VPreCode& code, const StepConstants& constants, const T* input,
                          std::int64_t length, float* v, float* currents, std::uint8_t* spikes,
                          std::uint8_t* windows, void* codes, CompactLifCounts& counts) {
  auto* const kept = static_cast<CodeOf<kKept>*>(codes);
  for (std::int64_t i = 0; i < length; i += 64) {
    forward_word<kNeuron, kKept>(code, constants, input + i, v + i, currents + i, spikes + i / 8,
                                 windows + i / 8, kept + i, counts);
  }
}

template <class T>
using RowFunction = void (*)(const VPreCode&, const StepConstants&, const T*, std::int64_t, float*, float*,
                             std::uint8_t*, std::uint8_t*, void*, CompactLifCounts&);

template <Neuron kNeuron, class T>
RowFunction<T> row_that_keeps(Kept kept) {
  switch (kept) {
    case Kept::kNothing:
      return &forward_row<kNeuron, Kept::kNothing, T>;
    case Kept::kWindow:
      return &forward_row<kNeuron, Kept::kWindow, T>;
    case Kept::kOpenCode:
      return &forward_row<kNeuron, Kept::kOpenCode, T>;
    case Kept::kTailCode:
      break;
  }
  return &forward_row<kNeuron, Kept::kTailCode, T>;
}

template <class T>
RowFunction<T> row_of(Neuron neuron, Kept kept) {
  switch (neuron) {
    case Neuron::kToZero:
      return row_that_keeps<Neuron::kToZero, T>(kept);
    case Neuron::kSubtract:
      return row_that_keeps<Neuron::kSubtract, T>(kept);
    case Neuron::kGeneral:
      break;
  }
  return row_that_keeps<Neuron::kGeneral, T>(kept);
}

// The loop over steps is compiled once: what differs between neurons and what is kept is a row's function.
template <class T>
HWY_ATTR CompactLifCounts forward_range(const CompactForwardArguments<T>& arguments, std::int64_t begin,
                                        std::int64_t end) {
  const VPreCode code(arguments.params);
  const StepConstants constants(arguments.params);
  const std::int64_t steps = arguments.size.num_steps, neurons = arguments.size.neurons;
  const std::int64_t stride = packed_bytes(neurons);
  const Neuron neuron = neuron_kind(arguments.params);
  const Kept kept = arguments.state != nullptr ? kept_of(arguments.params) : Kept::kNothing;
  const RowFunction<T> forward = row_of<T>(neuron, kept);
  const CompactLifState state = kept != Kept::kNothing ? *arguments.state : CompactLifState();
  alignas(64) float v[kCompactForwardChunk];
  alignas(64) float currents[kCompactForwardChunk];  // of the general neuron
  alignas(64) std::uint8_t row[kCompactForwardChunk];
  std::vector<std::uint8_t> packed;
  if (kept == Kept::kOpenCode) packed.resize(static_cast<std::size_t>(steps * kCompactForwardChunk + 64));
  CompactLifCounts counts;
  const std::int64_t whole_end = begin + (end - begin) / 64 * 64;
  for (std::int64_t first = begin; first < whole_end; first += kCompactForwardChunk) {
    const std::int64_t length = HWY_MIN(kCompactForwardChunk, whole_end - first);
    std::int64_t num_codes = 0;
    for (std::int64_t i = 0; i < length; ++i) v[i] = 0.0f;
    if (neuron == Neuron::kGeneral) {
      for (std::int64_t i = 0; i < length; ++i) currents[i] = 0.0f;
    }
    for (std::int64_t t = 0; t < steps; ++t) {
      const T* input = arguments.input + (arguments.size.static_input ? first : t * neurons + first);
      std::uint8_t* spikes = arguments.spikes + t * stride + first / 8;
      // Without windows to keep nothing is written there.
      std::uint8_t* windows = state.open != nullptr ? state.open + t * stride + first / 8 : spikes;
      void* codes = row;
      if (kept == Kept::kTailCode) codes = state.all_codes + t * neurons + first;
      forward(code, constants, input, length, v, currents, spikes, windows, codes, counts);
      if (kept == Kept::kOpenCode) num_codes += pack_codes(length, row, windows, packed.data() + num_codes);
    }
    if (kept == Kept::kOpenCode) {
      std::memcpy(state.codes->add(first / kCompactForwardChunk, num_codes), packed.data(),
                  static_cast<std::size_t>(num_codes));
    }
  }
  if (whole_end < end) forward_tail(kept, arguments, whole_end, end, counts);
  return counts;
}

CompactLifCounts compact_forward_float(const CompactForwardArguments<float>& arguments, std::int64_t begin,
                                       std::int64_t end) {
  return forward_range(arguments, begin, end);
}

CompactLifCounts compact_forward_bfloat16(const CompactForwardArguments<BFloat16>& arguments,
                                          std::int64_t begin, std::int64_t end) {
  return forward_range(arguments, begin, end);
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
CompactLifCounts compact_lif_forward(const LifSize& size, const NeuronParams& params, const T* input,
                                     std::uint8_t* spikes, const CompactLifState* state) {
  simd_level();
  const CompactForwardArguments<T> arguments{size, params, input, spikes, state};
  const Blocks blocks = make_blocks(size.neurons, kCompactForwardChunk);
  std::array<CompactLifCounts, kMaxBlocks> counts = {};
  for_each_block(blocks, size.neurons * size.num_steps,
                 [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
                   if constexpr (std::is_same_v<T, float>) {
                     counts[static_cast<std::size_t>(block)] =
                         HWY_DYNAMIC_DISPATCH(compact_forward_float)(arguments, begin, end);
                   } else {
                     counts[static_cast<std::size_t>(block)] =
                         HWY_DYNAMIC_DISPATCH(compact_forward_bfloat16)(arguments, begin, end);
                   }
                 });
  CompactLifCounts sum;
  for (const CompactLifCounts& count : counts) {
    sum.spikes += count.spikes;
    sum.open_windows += count.open_windows;
  }
  return sum;
}

template CompactLifCounts compact_lif_forward(const LifSize&, const NeuronParams&, const float*,
                                              std::uint8_t*, const CompactLifState*);
template CompactLifCounts compact_lif_forward(const LifSize&, const NeuronParams&, const BFloat16*,
                                              std::uint8_t*, const CompactLifState*);

}  // namespace spikeloom::kernels::cpu
#endif
