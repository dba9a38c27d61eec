#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/kernels/cpu/neuron_kind.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/surrogate.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/lif_backward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
#include "spikeloom/kernels/cpu/surrogate_lanes-inl.h"
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_LIF_BACKWARD
#define SPIKELOOM_KERNELS_CPU_LIF_BACKWARD
namespace spikeloom::kernels::cpu {

// Neurons whose gradient is walked over all steps at a time, at most: long rows feed the prefetchers, and
// those of one step still fit the second-level cache. The unit of work for a thread is smaller, for the sake
// of small layers.
constexpr std::int64_t kBackwardChunk = 4096;
constexpr std::int64_t kBackwardGrain = 1024;

template <class T>
struct LifBackwardArguments {
  LifSize size;
  NeuronParams params;
  const T* grad_spikes;
  const T* v_pre;
  const T* spikes;
  T* grad_input;
  bool want_sums;
};

// One step of one chunk; the `before` rows are nullptr at the first step.
template <class T>
struct BackwardRow {
  const T* grad_spikes;
  const T* v_pre;
  const T* spikes;
  const T* v_pre_before;
  const T* spikes_before;
  const T* du_next;
  T* du;
};

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The functions of a row are not inlined: each has a whole row to do, and few of them compile in less time
// than a loop over steps for each surrogate and neuron.

// du of one step; the operations of reference::lif_backward in the same order. `through_spike` (do * h) is
// kept for the sums, and nullptr without them. A plain neuron gets the same bits from kGeneral.
template <Surrogate kSurrogate, Neuron kNeuron, class D, class T = hn::TFromD<D>>
HWY_ATTR void backward_values(D d, const LifBackwardArguments<T>& arguments, const BackwardRow<T>& row,
                              std::int64_t begin, std::int64_t end, T* through_spike) {
  const auto decay = hn::Set(d, static_cast<T>(arguments.params.decay));
  const auto v_threshold = hn::Set(d, static_cast<T>(arguments.params.v_threshold));
  const auto reset_path = hn::Set(d, arguments.params.detach_reset ? T(0) : T(1));
  const auto one = hn::Set(d, T(1));
  const T width = static_cast<T>(arguments.params.surrogate_width);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = begin; i < end; i += lanes) {
    const auto v = hn::LoadU(d, row.v_pre + i);
    const auto g = hn::Mul(decay, hn::LoadU(d, row.du_next + i));
    auto through_reset = hn::Zero(d);
    if (kNeuron == Neuron::kToZero) {
      through_reset = hn::Mul(g, v);
    } else if (kNeuron == Neuron::kSubtract || arguments.params.reset == Reset::kSubtract) {
      through_reset = hn::Mul(g, v_threshold);
    } else if (arguments.params.reset == Reset::kZero) {
      through_reset = hn::Mul(g, hn::Sub(v, hn::Set(d, static_cast<T>(arguments.params.v_reset))));
    }
    const auto spike_gradient =
        hn::Sub(hn::LoadU(d, row.grad_spikes + i), hn::Mul(reset_path, through_reset));
    const auto through =
        hn::Mul(spike_gradient, surrogate_lanes<kSurrogate>(d, hn::Sub(v, v_threshold), width));
    auto kept = g;
    if (kNeuron == Neuron::kToZero ||
        (kNeuron == Neuron::kGeneral && arguments.params.reset == Reset::kZero)) {
      kept = hn::Mul(g, hn::Sub(one, hn::LoadU(d, row.spikes + i)));
    }
    hn::StoreU(hn::Add(through, kept), d, row.du + i);
    if (through_spike != nullptr) hn::StoreU(through, d, through_spike + i);
  }
}

template <class DD, class V>
HWY_ATTR HWY_INLINE hn::Vec<DD> widen(DD dd, V v) {
  if constexpr (std::is_same_v<V, hn::Vec<DD>>) {
    static_cast<void>(dd);
    return v;
  } else {
    return hn::PromoteTo(dd, v);
  }
}

// Adds one step's terms of the parameter gradients; DD is a tag of double.
template <class T, class DD>
HWY_ATTR HWY_NOINLINE void add_sums(DD dd, const LifBackwardArguments<T>& arguments,
                                    const BackwardRow<T>& row, std::int64_t begin, std::int64_t end,
                                    const T* through_spike, LifParameterGradients& sums) {
  const hn::Rebind<T, DD> d;
  const auto decay = hn::Set(d, static_cast<T>(arguments.params.decay));
  const auto v_threshold = hn::Set(d, static_cast<T>(arguments.params.v_threshold));
  const auto one = hn::Set(d, T(1));
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const bool resets_to_value = arguments.params.reset == Reset::kZero;
  const bool resets_by_subtraction = arguments.params.reset == Reset::kSubtract;
  auto decay_sum = hn::Zero(dd);
  auto threshold_sum = hn::Zero(dd);
  for (std::int64_t i = begin; i < end; i += lanes) {
    threshold_sum = hn::Sub(threshold_sum, widen(dd, hn::LoadU(d, through_spike + i)));
    if (resets_by_subtraction) {
      const auto g = hn::Mul(decay, hn::LoadU(d, row.du_next + i));
      threshold_sum = hn::Sub(threshold_sum, hn::Mul(widen(dd, g), widen(dd, hn::LoadU(d, row.spikes + i))));
    }
    if (row.v_pre_before == nullptr) continue;
    const auto v = hn::LoadU(d, row.v_pre_before + i);
    const auto spike = hn::LoadU(d, row.spikes_before + i);
    auto v_post = v;
    if (resets_to_value) v_post = hn::Mul(v, hn::Sub(one, spike));
    if (resets_by_subtraction) v_post = hn::Sub(v, hn::Mul(v_threshold, spike));
    if (resets_to_value && arguments.params.v_reset != 0.0) {
      v_post = hn::Add(v_post, hn::Mul(hn::Set(d, static_cast<T>(arguments.params.v_reset)), spike));
    }
    decay_sum = hn::Add(decay_sum, hn::Mul(widen(dd, hn::LoadU(d, row.du + i)), widen(dd, v_post)));
  }
  sums.decay += hn::GetLane(hn::SumOfLanes(dd, decay_sum));
  sums.v_threshold += hn::GetLane(hn::SumOfLanes(dd, threshold_sum));
}

template <class D, class T = hn::TFromD<D>>
HWY_ATTR HWY_NOINLINE void add_values(D d, std::int64_t begin, std::int64_t end, const T* from, T* to) {
  for (std::int64_t i = begin; i < end; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
  }
}

// ds of the step behind becomes that of this one.
template <class D, class T = hn::TFromD<D>>
HWY_ATTR HWY_NOINLINE void carry_current(D d, T current_decay, const T* du, std::int64_t begin,
                                         std::int64_t end, T* ds) {
  const auto factor = hn::Set(d, current_decay);
  for (std::int64_t i = begin; i < end; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    hn::StoreU(hn::Add(hn::LoadU(d, du + i), hn::Mul(factor, hn::LoadU(d, ds + i))), d, ds + i);
  }
}

template <class D, class T = hn::TFromD<D>>
using RowFunction = void (*)(D, const LifBackwardArguments<T>&, const BackwardRow<T>&, std::int64_t,
                             std::int64_t, T*);

template <class T>
struct RowFunctions {
  RowFunction<hn::ScalableTag<T>> lanes;  // as many values as fill vectors
  RowFunction<hn::CappedTag<T, 1>> tail;  // the rest
};

template <Surrogate kSurrogate, class T>
RowFunctions<T> rows_of_neuron(const NeuronParams& params) {
  using Lanes = hn::ScalableTag<T>;
  RowFunctions<T> rows = {&backward_values<kSurrogate, Neuron::kGeneral, Lanes>,
                          &backward_values<kSurrogate, Neuron::kGeneral, hn::CappedTag<T, 1>>};
  switch (neuron_kind(params)) {
    case Neuron::kToZero:
      rows.lanes = &backward_values<kSurrogate, Neuron::kToZero, Lanes>;
      break;
    case Neuron::kSubtract:
      rows.lanes = &backward_values<kSurrogate, Neuron::kSubtract, Lanes>;
      break;
    case Neuron::kGeneral:
      break;
  }
  return rows;
}

template <class T>
RowFunctions<T> rows_of(const NeuronParams& params) {
  switch (params.surrogate) {
    case Surrogate::kRectangular:
      return rows_of_neuron<Surrogate::kRectangular, T>(params);
    case Surrogate::kTriangular:
      return rows_of_neuron<Surrogate::kTriangular, T>(params);
    case Surrogate::kSigmoid:
      return rows_of_neuron<Surrogate::kSigmoid, T>(params);
    case Surrogate::kArctan:
      break;
  }
  return rows_of_neuron<Surrogate::kArctan, T>(params);
}

template <class T>
HWY_ATTR void backward_block(const LifBackwardArguments<T>& arguments, std::int64_t begin, std::int64_t end,
                             LifParameterGradients& sums) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> single;
  const hn::ScalableTag<double> dd;
  const hn::CappedTag<double, 1> single_double;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t neurons = arguments.size.neurons;
  const bool static_input = arguments.size.static_input;
  // Static input has no row of grad_input a step, and that of a neuron with a current is not du: du lives in
  // two rows in turn. Row 0 also starts the recursion with 0.
  const T current_decay = static_cast<T>(arguments.params.current_decay);
  const bool has_current = arguments.params.current_decay != 0.0;
  const RowFunctions<T> rows = rows_of<T>(arguments.params);
  alignas(64) T ds[kBackwardChunk];
  alignas(64) T states[2][kBackwardChunk];
  alignas(64) T through_spike[kBackwardChunk];
  T* const kept_through = arguments.want_sums ? through_spike : nullptr;
  for (std::int64_t first = begin; first < end; first += kBackwardChunk) {
    const std::int64_t length = HWY_MIN(kBackwardChunk, end - first);
    const std::int64_t whole = length / lanes * lanes;
    T* grad_sum = arguments.grad_input + first;
    for (std::int64_t i = 0; i < length; ++i) states[0][i] = T(0);
    for (std::int64_t i = 0; static_input && i < length; ++i) grad_sum[i] = T(0);
    for (std::int64_t i = 0; has_current && i < length; ++i) ds[i] = T(0);
    const T* du_next = states[0];
    int turn = 0;
    for (std::int64_t t = arguments.size.num_steps - 1; t >= 0; --t) {
      const std::int64_t at = t * neurons + first;
      turn = 1 - turn;
      BackwardRow<T> row{};
      row.grad_spikes = arguments.grad_spikes + at;
      row.v_pre = arguments.v_pre + at;
      row.spikes = arguments.spikes + at;
      row.v_pre_before = t > 0 ? row.v_pre - neurons : nullptr;
      row.spikes_before = t > 0 ? row.spikes - neurons : nullptr;
      row.du_next = du_next;
      row.du = static_input || has_current ? states[turn] : arguments.grad_input + at;
      rows.lanes(d, arguments, row, 0, whole, kept_through);
      rows.tail(single, arguments, row, whole, length, kept_through);
      const T* gradient = row.du;
      if (has_current) {
        carry_current(d, current_decay, row.du, 0, whole, ds);
        carry_current(single, current_decay, row.du, whole, length, ds);
        gradient = ds;
        if (!static_input) {
          for (std::int64_t i = 0; i < length; ++i) arguments.grad_input[at + i] = ds[i];
        }
      }
      if (static_input) {
        add_values(d, 0, whole, gradient, grad_sum);
        add_values(single, whole, length, gradient, grad_sum);
      }
      if (arguments.want_sums) {
        add_sums(dd, arguments, row, 0, whole, through_spike, sums);
        add_sums(single_double, arguments, row, whole, length, through_spike, sums);
      }
      du_next = row.du;
    }
  }
}

void backward_float(const LifBackwardArguments<float>& arguments, std::int64_t begin, std::int64_t end,
                    LifParameterGradients& sums) {
  backward_block(arguments, begin, end, sums);
}

void backward_double(const LifBackwardArguments<double>& arguments, std::int64_t begin, std::int64_t end,
                     LifParameterGradients& sums) {
  backward_block(arguments, begin, end, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(backward_float);
HWY_EXPORT(backward_double);

void backward_any(const LifBackwardArguments<float>& arguments, std::int64_t begin, std::int64_t end,
                  LifParameterGradients& sums) {
  HWY_DYNAMIC_DISPATCH(backward_float)(arguments, begin, end, sums);
}

void backward_any(const LifBackwardArguments<double>& arguments, std::int64_t begin, std::int64_t end,
                  LifParameterGradients& sums) {
  HWY_DYNAMIC_DISPATCH(backward_double)(arguments, begin, end, sums);
}

}  // namespace

template <class T>
void lif_backward(const LifSize& size, const NeuronParams& params, const T* grad_spikes, const T* v_pre,
                  const T* spikes, T* grad_input, LifParameterGradients* gradients) {
  simd_level();
  const LifBackwardArguments<T> arguments{size,   params,     grad_spikes,         v_pre,
                                          spikes, grad_input, gradients != nullptr};
  const Blocks blocks = make_blocks(size.neurons, kBackwardGrain);
  LifParameterGradients sums[kMaxBlocks];
  for_each_block(blocks, size.neurons * size.num_steps,
                 [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
                   LifParameterGradients sum;
                   backward_any(arguments, begin, end, sum);
                   sums[block] = sum;
                 });
  if (gradients == nullptr) return;
  *gradients = {};
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    gradients->decay += sums[block].decay;
    gradients->v_threshold += sums[block].v_threshold;
  }
}

template void lif_backward(const LifSize&, const NeuronParams&, const float*, const float*, const float*,
                           float*, LifParameterGradients*);
template void lif_backward(const LifSize&, const NeuronParams&, const double*, const double*, const double*,
                           double*, LifParameterGradients*);

}  // namespace spikeloom::kernels::cpu
#endif
