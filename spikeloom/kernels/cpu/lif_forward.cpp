#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/kernels/cpu/neuron_kind.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/lif.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/lif_forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/cache_control.h>
#include <hwy/highway.h>
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_LIF_FORWARD
#define SPIKELOOM_KERNELS_CPU_LIF_FORWARD
namespace spikeloom::kernels::cpu {

// Neurons whose state is walked over all steps at a time: it and one row of each array stay in L1.
constexpr std::int64_t kForwardChunk = 1024;
// An output of this size is out of the caches before the next layer reads it: written past them, its lines
// need not be read first.
constexpr std::int64_t kStreamBytes = std::int64_t{32} << 20;

template <class T>
struct LifForwardArguments {
  LifSize size;
  T decay;
  T v_threshold;
  T v_reset;
  T current_decay;
  Reset reset;
  Neuron neuron;
  const T* input;
  T* v_pre;
  T* spikes;
  bool stream;
};

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One step of a chunk. A plain neuron gets the same bits from kGeneral; `v_pre` is read with kKeep alone.
template <Neuron kNeuron, bool kKeep, bool kStream, class D, class T = hn::TFromD<D>>
HWY_ATTR std::int64_t forward_values(D d, const LifForwardArguments<T>& arguments, std::int64_t begin,
                                     std::int64_t end, const T* input, T* state, T* currents, T* v_pre,
                                     T* spikes) {
  const auto decay = hn::Set(d, arguments.decay);
  const auto v_threshold = hn::Set(d, arguments.v_threshold);
  const auto one = hn::Set(d, T(1));
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t count = 0;
  for (std::int64_t i = begin; i < end; i += lanes) {
    auto current = hn::LoadU(d, input + i);
    if (kNeuron == Neuron::kGeneral && arguments.current_decay != T(0)) {
      current = hn::Add(hn::Mul(hn::Set(d, arguments.current_decay), hn::LoadU(d, currents + i)), current);
      hn::StoreU(current, d, currents + i);
    }
    const auto v = hn::Add(hn::Mul(decay, hn::LoadU(d, state + i)), current);
    const auto fires = hn::Ge(v, v_threshold);
    const auto spike = hn::IfThenElseZero(fires, one);
    if constexpr (kStream) {
      if (kKeep) hn::Stream(v, d, v_pre + i);
      hn::Stream(spike, d, spikes + i);
    } else {
      if (kKeep) hn::StoreU(v, d, v_pre + i);
      hn::StoreU(spike, d, spikes + i);
    }
    auto after = v;
    if (kNeuron == Neuron::kToZero) {
      after = hn::IfThenZeroElse(fires, v);
    } else if (kNeuron == Neuron::kSubtract || arguments.reset == Reset::kSubtract) {
      after = hn::IfThenElse(fires, hn::Sub(v, v_threshold), v);
    } else if (arguments.reset == Reset::kZero) {
      after = hn::IfThenElse(fires, hn::Set(d, arguments.v_reset), v);
    }
    hn::StoreU(after, d, state + i);
    count += static_cast<std::int64_t>(hn::CountTrue(d, fires));
  }
  return count;
}

template <class D, class T = hn::TFromD<D>>
using RowFunction = std::int64_t (*)(D, const LifForwardArguments<T>&, std::int64_t, std::int64_t, const T*,
                                     T*, T*, T*, T*);

template <bool kKeep, bool kStream, class T>
RowFunction<hn::ScalableTag<T>> row_of_neuron(Neuron neuron) {
  switch (neuron) {
    case Neuron::kToZero:
      return &forward_values<Neuron::kToZero, kKeep, kStream, hn::ScalableTag<T>>;
    case Neuron::kSubtract:
      return &forward_values<Neuron::kSubtract, kKeep, kStream, hn::ScalableTag<T>>;
    case Neuron::kGeneral:
      break;
  }
  return &forward_values<Neuron::kGeneral, kKeep, kStream, hn::ScalableTag<T>>;
}

template <class T>
RowFunction<hn::ScalableTag<T>> row_of(const LifForwardArguments<T>& arguments) {
  if (arguments.v_pre != nullptr) {
    return arguments.stream ? row_of_neuron<true, true, T>(arguments.neuron)
                            : row_of_neuron<true, false, T>(arguments.neuron);
  }
  return arguments.stream ? row_of_neuron<false, true, T>(arguments.neuron)
                          : row_of_neuron<false, false, T>(arguments.neuron);
}

// The loop over steps is compiled once: what differs between neurons is a row's function.
template <class T>
HWY_ATTR std::int64_t forward_block(const LifForwardArguments<T>& arguments, std::int64_t begin,
                                    std::int64_t end) {
  using Single = hn::CappedTag<T, 1>;
  const hn::ScalableTag<T> d;
  const Single single;
  const bool keep = arguments.v_pre != nullptr;
  const RowFunction<hn::ScalableTag<T>> row = row_of(arguments);
  const RowFunction<Single> tail = keep ? &forward_values<Neuron::kGeneral, true, false, Single>
                                        : &forward_values<Neuron::kGeneral, false, false, Single>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) T state[kForwardChunk];
  alignas(64) T currents[kForwardChunk];  // of the general neuron
  std::int64_t count = 0;
  for (std::int64_t first = begin; first < end; first += kForwardChunk) {
    const std::int64_t length = HWY_MIN(kForwardChunk, end - first);
    const std::int64_t whole = length / lanes * lanes;
    for (std::int64_t i = 0; i < length; ++i) state[i] = T(0);
    for (std::int64_t i = 0; arguments.neuron == Neuron::kGeneral && i < length; ++i) currents[i] = T(0);
    for (std::int64_t t = 0; t < arguments.size.num_steps; ++t) {
      const std::int64_t at = t * arguments.size.neurons + first;
      const T* input = arguments.input + (arguments.size.static_input ? first : at);
      T* v_pre = keep ? arguments.v_pre + at : nullptr;
      T* spikes = arguments.spikes + at;
      count += row(d, arguments, 0, whole, input, state, currents, v_pre, spikes);
      count += tail(single, arguments, whole, length, input, state, currents, v_pre, spikes);
    }
  }
  if (arguments.stream) hwy::FlushStream();
  return count;
}

std::int64_t forward_float(const LifForwardArguments<float>& arguments, std::int64_t begin,
                           std::int64_t end) {
  return forward_block(arguments, begin, end);
}

std::int64_t forward_double(const LifForwardArguments<double>& arguments, std::int64_t begin,
                            std::int64_t end) {
  return forward_block(arguments, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(forward_float);
HWY_EXPORT(forward_double);

std::int64_t forward_any(const LifForwardArguments<float>& arguments, std::int64_t begin, std::int64_t end) {
  return HWY_DYNAMIC_DISPATCH(forward_float)(arguments, begin, end);
}

std::int64_t forward_any(const LifForwardArguments<double>& arguments, std::int64_t begin, std::int64_t end) {
  return HWY_DYNAMIC_DISPATCH(forward_double)(arguments, begin, end);
}

// Streaming stores need rows that start at multiples of a vector.
template <class T>
bool can_stream(const LifSize& size, const T* v_pre, const T* spikes) {
  const auto aligned = [](std::uintptr_t address) { return address % 64 == 0; };
  const auto row_bytes = size.neurons * static_cast<std::int64_t>(sizeof(T));
  return size.num_steps * row_bytes >= kStreamBytes && aligned(static_cast<std::uintptr_t>(row_bytes)) &&
         aligned(reinterpret_cast<std::uintptr_t>(v_pre)) &&
         aligned(reinterpret_cast<std::uintptr_t>(spikes));
}

}  // namespace

template <class T>
std::int64_t lif_forward(const LifSize& size, const NeuronParams& params, const T* input, T* v_pre,
                         T* spikes) {
  simd_level();
  const LifForwardArguments<T> arguments{size,
                                         static_cast<T>(params.decay),
                                         static_cast<T>(params.v_threshold),
                                         static_cast<T>(params.v_reset),
                                         static_cast<T>(params.current_decay),
                                         params.reset,
                                         neuron_kind(params),
                                         input,
                                         v_pre,
                                         spikes,
                                         can_stream(size, v_pre, spikes)};
  const Blocks blocks = make_blocks(size.neurons, kForwardChunk);
  const std::int64_t work = size.neurons * size.num_steps;
  if (params.smooth) {
    double sums[kMaxBlocks] = {};
    for_each_block(blocks, work, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
      sums[block] = reference::lif_forward_range(size, params, input, v_pre, spikes, begin, end);
    });
    double sum = 0.0;
    for (std::int64_t block = 0; block < blocks.count; ++block) sum += sums[block];
    return std::llround(sum);
  }
  std::int64_t counts[kMaxBlocks] = {};
  for_each_block(blocks, work, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
    counts[block] = forward_any(arguments, begin, end);
  });
  std::int64_t count = 0;
  for (std::int64_t block = 0; block < blocks.count; ++block) count += counts[block];
  return count;
}

template std::int64_t lif_forward(const LifSize&, const NeuronParams&, const float*, float*, float*);
template std::int64_t lif_forward(const LifSize&, const NeuronParams&, const double*, double*, double*);

}  // namespace spikeloom::kernels::cpu
#endif
