#include <cstring>
#include <type_traits>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/cpu/neuron_kind.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/window_codes.h"
#include "spikeloom/kernels/reference/compact_lif.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/compact_lif_backward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
#include "spikeloom/kernels/cpu/surrogate_lanes-inl.h"
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_COMPACT_LIF_BACKWARD
#define SPIKELOOM_KERNELS_CPU_COMPACT_LIF_BACKWARD
namespace spikeloom::kernels::cpu {

constexpr std::int64_t kCompactBackwardChunk = CodeStore::kChunk;

template <class G, class T>
struct CompactBackwardArguments {
  LifSize size;
  NeuronParams params;
  PackedImages images;
  const G* grad_pooled;
  const std::uint8_t* spikes;
  CompactLifState state;
  T* grad_input;
  bool want_gradients;
};

// What the general neuron has besides du, for the neurons of a chunk.
struct GeneralRows {
  alignas(64) float ds[kCompactBackwardChunk];               // gradient of the input, if there is a current
  alignas(64) float decay_terms[kCompactBackwardChunk];      // of the parameters' gradients
  alignas(64) float threshold_terms[kCompactBackwardChunk];  // to be subtracted
};

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
HWY_ATTR HWY_INLINE void scale_row(const T* from, float scale, std::int64_t length, float* to) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto factor = hn::Set(d, scale);
  std::int64_t i = 0;
  for (; i + lanes <= length; i += lanes) hn::StoreU(hn::Mul(load_lanes(d, from + i), factor), d, to + i);
  for (; i < length; ++i) to[i] = to_float(from[i]) * scale;
}

// The gradient of the spikes [first, first + length) of one step, from that of the pooled ones.
template <class T>
HWY_ATTR void spread_gradient(const PackedImages& images, const T* gradient, std::int64_t first,
                              std::int64_t length, float* row) {
  const std::int64_t channels = images.channels, k = images.pool;
  const float scale = 1.0f / static_cast<float>(k * k);
  std::int64_t pixel = first / channels, c = first % channels;
  std::int64_t x = pixel % images.width, y = pixel / images.width % images.height;
  std::int64_t n = pixel / images.width / images.height;
  // Counted on: a division takes longer than a pixel of few channels.
  std::int64_t px = x / k, left = k - x % k, py = y / k;
  for (std::int64_t done = 0; done < length;) {
    const std::int64_t count = HWY_MIN(channels - c, length - done);
    if (px < images.pooled_width() && py < images.pooled_height()) {
      const std::int64_t at = ((n * images.pooled_height() + py) * images.pooled_width() + px) * channels + c;
      scale_row(gradient + at, scale, count, row + done);
    } else {
      for (std::int64_t i = 0; i < count; ++i) row[done + i] = 0.0f;
    }
    done += count;
    c = 0;
    if (--left == 0) {
      left = k;
      ++px;
    }
    if (++x == images.width) {
      x = 0;
      px = 0;
      left = k;
      if (++y == images.height) {
        y = 0;
        ++n;
      }
      py = y / k;
    }
  }
}

template <class D>
HWY_ATTR HWY_INLINE hn::Mask<D> bits_at(D d, const std::uint8_t* bits, std::int64_t i) {
  // Fewer than 8 lanes begin inside a byte.
  const std::uint8_t bytes[8] = {static_cast<std::uint8_t>(bits[i / 8] >> (i % 8)), 0};
  return hn::Lanes(d) >= 8 ? hn::LoadMaskBits(d, bits + i / 8) : hn::LoadMaskBits(d, bytes);
}

// One step of a chunk: grad_spikes, du of the step after -> du of this one. `state` is one byte of codes or
// of window bits, or a code of 16 bits, as kState says; `general` is read and written by the general neuron
// alone. This is all that differs between surrogates, neurons and kinds of state: the loop over steps calls
// it by a pointer, and is compiled once.
template <Surrogate kSurrogate, Neuron kNeuron, CompactState kState, class T>
HWY_ATTR void backward_row(const NeuronParams& params, const VPreCode& code, const T* grad_spikes,
                           const std::uint8_t* spikes, const void* kept_state, std::int64_t length,
                           float* du_row, GeneralRows* general) {
  using Code = std::conditional_t<kState == CompactState::kTailCode, std::uint16_t, std::uint8_t>;
  const auto* const state = static_cast<const Code*>(kept_state);
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::int32_t, decltype(d)> di;
  const hn::Rebind<Code, decltype(d)> d_code;
  constexpr bool kBits = kState == CompactState::kWindowBit, kCloses = kState != CompactState::kTailCode;
  constexpr bool kToZero = kNeuron == Neuron::kToZero;
  const bool has_current = params.current_decay != 0.0;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto width = static_cast<float>(params.surrogate_width);
  const auto decay = hn::Set(d, static_cast<float>(params.decay));
  const auto v_threshold = hn::Set(d, static_cast<float>(params.v_threshold));
  const auto reset_path = hn::Set(d, params.detach_reset ? 0.0f : 1.0f);
  const auto peak = hn::Set(d, 1.0f / width);
  for (std::int64_t i = 0; i < length; i += lanes) {
    const auto fired = bits_at(d, spikes, i);
    auto x = hn::Zero(d);
    auto h = hn::Zero(d);
    if constexpr (kBits) {
      h = hn::IfThenElseZero(bits_at(d, state, i), peak);
    } else {
      const auto kept = hn::PromoteTo(di, hn::LoadU(d_code, state + i));
      const auto value = hn::ConvertTo(d, kept);
      auto distance = x;
      if constexpr (kCloses) {
        distance = hn::Mul(hn::Sub(value, hn::Set(d, 0.5f)), hn::Set(d, code.step));
      } else {
        const auto position = hn::Add(value, hn::Set(d, 0.5f));
        distance = hn::Sub(hn::Div(hn::Set(d, code.numerator), position), hn::Set(d, code.offset));
      }
      x = hn::IfThenElse(fired, distance, hn::Neg(distance));
      constexpr bool kFlat = kCloses && kSurrogate == Surrogate::kRectangular;
      h = kFlat ? peak : surrogate_lanes<kSurrogate>(d, x, width);
      if constexpr (kCloses) {
        h = hn::IfThenZeroElse(hn::RebindMask(d, hn::Eq(kept, hn::Zero(di))), h);
      }
    }
    const auto g = hn::Mul(decay, hn::LoadU(d, du_row + i));
    if constexpr (kNeuron == Neuron::kGeneral) {
      const auto v = hn::Add(v_threshold, x);
      const auto v_reset = hn::Set(d, static_cast<float>(params.v_reset));
      auto through_reset = hn::Zero(d), kept_gradient = g, v_post = v, reset_term = hn::Zero(d);
      if (params.reset == Reset::kZero) {
        through_reset = hn::Mul(g, hn::Sub(v, v_reset));
        kept_gradient = hn::IfThenZeroElse(fired, g);
        v_post = hn::IfThenElse(fired, v_reset, v);
      } else if (params.reset == Reset::kSubtract) {
        through_reset = hn::Mul(g, v_threshold);
        v_post = hn::IfThenElse(fired, x, v);
        reset_term = hn::IfThenElseZero(fired, g);
      }
      const auto gradient = hn::Sub(load_lanes(d, grad_spikes + i), hn::Mul(reset_path, through_reset));
      const auto through_spike = hn::Mul(gradient, h);
      hn::StoreU(hn::Mul(hn::LoadU(d, du_row + i), v_post), d, general->decay_terms + i);
      hn::StoreU(hn::Add(through_spike, reset_term), d, general->threshold_terms + i);
      const auto du = hn::Add(through_spike, kept_gradient);
      hn::StoreU(du, d, du_row + i);
      const auto carried =
          hn::Mul(hn::Set(d, static_cast<float>(params.current_decay)), hn::LoadU(d, general->ds + i));
      hn::StoreU(has_current ? hn::Add(du, carried) : du, d, general->ds + i);
    } else {
      const auto through_reset = hn::Mul(g, kToZero ? hn::Add(v_threshold, x) : v_threshold);
      const auto gradient = hn::Sub(load_lanes(d, grad_spikes + i), hn::Mul(reset_path, through_reset));
      const auto kept_gradient = kToZero ? hn::IfThenZeroElse(fired, g) : g;
      hn::StoreU(hn::Add(hn::Mul(gradient, h), kept_gradient), d, du_row + i);
    }
  }
}

template <class T>
HWY_ATTR HWY_INLINE void round_row(const float* from, std::int64_t length, T* to) {
  const hn::ScalableTag<float> d;
  for (std::int64_t i = 0; i < length; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    store_lanes(d, hn::LoadU(d, from + i), to + i);
  }
}

HWY_ATTR inline void add_row(const float* from, std::int64_t length, float* to) {
  const hn::ScalableTag<float> d;
  for (std::int64_t i = 0; i < length; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::LoadU(d, from + i)), d, to + i);
  }
}

// The sum of a row, in double.
HWY_ATTR inline double sum_row(const float* from, std::int64_t length) {
  const hn::ScalableTag<double> dd;
  const hn::Rebind<float, decltype(dd)> d;
  auto sum = hn::Zero(dd);
  for (std::int64_t i = 0; i < length; i += static_cast<std::int64_t>(hn::Lanes(dd))) {
    sum = hn::Add(sum, hn::PromoteTo(dd, hn::LoadU(d, from + i)));
  }
  return hn::GetLane(hn::SumOfLanes(dd, sum));
}

template <class T>
using RowFunction = void (*)(const NeuronParams&, const VPreCode&, const T*, const std::uint8_t*, const void*,
                             std::int64_t, float*, GeneralRows*);

template <Surrogate kSurrogate, CompactState kState, class T>
RowFunction<T> row_of_neuron(const NeuronParams& params, bool is_general) {
  if (is_general) return &backward_row<kSurrogate, Neuron::kGeneral, kState, T>;
  // A surrogate that closes, with codes of 16 bits, is always general.
  if constexpr (kState != CompactState::kTailCode || kSurrogate == Surrogate::kSigmoid ||
                kSurrogate == Surrogate::kArctan) {
    if (params.reset == Reset::kZero) return &backward_row<kSurrogate, Neuron::kToZero, kState, T>;
    return &backward_row<kSurrogate, Neuron::kSubtract, kState, T>;
  }
  return &backward_row<kSurrogate, Neuron::kGeneral, kState, T>;
}

template <class T>
RowFunction<T> row_of(const NeuronParams& params, bool is_general) {
  const CompactState state = compact_state(params);
  switch (params.surrogate) {
    case Surrogate::kRectangular:
      if (state == CompactState::kWindowBit) {
        return row_of_neuron<Surrogate::kRectangular, CompactState::kWindowBit, T>(params, is_general);
      }
      if (state == CompactState::kOpenCode) {
        return row_of_neuron<Surrogate::kRectangular, CompactState::kOpenCode, T>(params, is_general);
      }
      return row_of_neuron<Surrogate::kRectangular, CompactState::kTailCode, T>(params, is_general);
    case Surrogate::kTriangular:
      if (state == CompactState::kOpenCode) {
        return row_of_neuron<Surrogate::kTriangular, CompactState::kOpenCode, T>(params, is_general);
      }
      return row_of_neuron<Surrogate::kTriangular, CompactState::kTailCode, T>(params, is_general);
    case Surrogate::kSigmoid:
      return row_of_neuron<Surrogate::kSigmoid, CompactState::kTailCode, T>(params, is_general);
    case Surrogate::kArctan:
      break;
  }
  return row_of_neuron<Surrogate::kArctan, CompactState::kTailCode, T>(params, is_general);
}

// The neurons after the last whole word, fewer than 64.
template <class G, class T>
void backward_tail(const CompactBackwardArguments<G, T>& arguments, std::int64_t begin, std::int64_t end,
                   LifParameterGradients& sums) {
  const CompactLifState& kept = arguments.state;
  const CompactState state = compact_state(arguments.params);
  const std::uint8_t* rows = kept.open;
  std::vector<std::uint8_t> unpacked;
  reference::CodeRows where;
  if (state == CompactState::kTailCode) rows = reinterpret_cast<const std::uint8_t*>(kept.all_codes);
  if (state == CompactState::kOpenCode) {
    unpacked.resize(static_cast<std::size_t>(arguments.size.num_steps * 64));
    const std::uint8_t* packed_end =
        kept.codes->end((begin + kCompactBackwardChunk - 1) / kCompactBackwardChunk);
    for (std::int64_t t = arguments.size.num_steps - 1; t >= 0; --t) {
      const std::uint8_t* windows = kept.open + t * packed_bytes(arguments.size.neurons) + begin / 8;
      packed_end -= unpack_codes(64, packed_end, windows, unpacked.data() + t * 64);
    }
    rows = unpacked.data();
    where = {64, begin};
  }
  reference::compact_lif_backward_range(arguments.size, arguments.params, arguments.images,
                                        arguments.grad_pooled, arguments.spikes, rows, arguments.grad_input,
                                        begin, end, where, arguments.want_gradients ? &sums : nullptr);
}

template <class G, class T>
HWY_ATTR void backward_range(const CompactBackwardArguments<G, T>& arguments, std::int64_t begin,
                             std::int64_t end, LifParameterGradients& sums) {
  const NeuronParams& params = arguments.params;
  const VPreCode code(params);
  const LifSize& size = arguments.size;
  const PackedImages& images = arguments.images;
  const CompactState kind = compact_state(params);
  const bool is_general =
      !is_plain(params) || arguments.want_gradients || params.learnable || closes_with_tail_code(params);
  const RowFunction<G> row_of_gradient = row_of<G>(params, is_general);
  const RowFunction<float> row_of_spread = row_of<float>(params, is_general);
  const std::int64_t stride = packed_bytes(size.neurons);
  const CompactLifState& kept = arguments.state;
  alignas(64) std::uint8_t codes[kCompactBackwardChunk];
  alignas(64) float du[kCompactBackwardChunk], sum[kCompactBackwardChunk], spread[kCompactBackwardChunk];
  GeneralRows general;
  float* const ds = is_general ? general.ds : du;
  const std::int64_t whole_end = begin + (end - begin) / 64 * 64;
  for (std::int64_t first = begin; first < whole_end; first += kCompactBackwardChunk) {
    const std::int64_t length = HWY_MIN(kCompactBackwardChunk, whole_end - first);
    for (std::int64_t i = 0; i < length; ++i) du[i] = ds[i] = 0.0f;
    if (size.static_input) {
      for (std::int64_t i = 0; i < length; ++i) sum[i] = 0.0f;
    }
    const std::uint8_t* packed_end =
        kind == CompactState::kOpenCode ? kept.codes->end(first / kCompactBackwardChunk) : nullptr;
    for (std::int64_t t = size.num_steps - 1; t >= 0; --t) {
      const G* gradient = arguments.grad_pooled + t * images.pooled_neurons();
      const std::uint8_t* spikes = arguments.spikes + t * stride + first / 8;
      const void* state = nullptr;
      if (kind == CompactState::kTailCode) {
        state = kept.all_codes + t * size.neurons + first;
      } else {
        const std::uint8_t* windows = kept.open + t * stride + first / 8;
        state = windows;
        if (kind == CompactState::kOpenCode) {
          packed_end -= unpack_codes(length, packed_end, windows, codes);
          state = codes;
        }
      }
      if (images.pool == 1) {
        row_of_gradient(params, code, gradient + first, spikes, state, length, du, &general);
      } else {
        spread_gradient(images, gradient, first, length, spread);
        row_of_spread(params, code, spread, spikes, state, length, du, &general);
      }
      if (arguments.want_gradients) {
        sums.decay += sum_row(general.decay_terms, length);
        sums.v_threshold -= sum_row(general.threshold_terms, length);
      }
      if (size.static_input) {
        add_row(ds, length, sum);
      } else {
        round_row(ds, length, arguments.grad_input + t * size.neurons + first);
      }
    }
    if (size.static_input) round_row(sum, length, arguments.grad_input + first);
  }
  if (whole_end < end) backward_tail(arguments, whole_end, end, sums);
}

void compact_backward_float(const CompactBackwardArguments<float, float>& arguments, std::int64_t begin,
                            std::int64_t end, LifParameterGradients& sums) {
  backward_range(arguments, begin, end, sums);
}

void compact_backward_mixed(const CompactBackwardArguments<BFloat16, float>& arguments, std::int64_t begin,
                            std::int64_t end, LifParameterGradients& sums) {
  backward_range(arguments, begin, end, sums);
}

void compact_backward_bfloat16(const CompactBackwardArguments<BFloat16, BFloat16>& arguments,
                               std::int64_t begin, std::int64_t end, LifParameterGradients& sums) {
  backward_range(arguments, begin, end, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(compact_backward_float);
HWY_EXPORT(compact_backward_mixed);
HWY_EXPORT(compact_backward_bfloat16);

}  // namespace

template <class G, class T>
void compact_lif_backward(const LifSize& size, const NeuronParams& params, const PackedImages& images,
                          const G* grad_pooled, const std::uint8_t* spikes, const CompactLifState& state,
                          T* grad_input, LifParameterGradients* gradients) {
  if (gradients != nullptr && compact_state(params) != CompactState::kTailCode) {
    throw ShapeError(
        "compact_lif_backward: the gradients of decay and v_threshold need the codes of all "
        "neurons; set NeuronParams::learnable for the forward pass");
  }
  simd_level();
  const CompactBackwardArguments<G, T> arguments{size,   params, images,     grad_pooled,
                                                 spikes, state,  grad_input, gradients != nullptr};
  LifParameterGradients sums[kMaxBlocks];
  const Blocks blocks = make_blocks(size.neurons, kCompactBackwardChunk);
  for_each_block(blocks, size.neurons * size.num_steps,
                 [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
                   LifParameterGradients sum;
                   if constexpr (std::is_same_v<G, float>) {
                     HWY_DYNAMIC_DISPATCH(compact_backward_float)(arguments, begin, end, sum);
                   } else if constexpr (std::is_same_v<T, float>) {
                     HWY_DYNAMIC_DISPATCH(compact_backward_mixed)(arguments, begin, end, sum);
                   } else {
                     HWY_DYNAMIC_DISPATCH(compact_backward_bfloat16)(arguments, begin, end, sum);
                   }
                   sums[block] = sum;
                 });
  if (gradients == nullptr) return;
  *gradients = {};
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    gradients->decay += sums[block].decay;
    gradients->v_threshold += sums[block].v_threshold;
  }
}

template void compact_lif_backward(const LifSize&, const NeuronParams&, const PackedImages&, const float*,
                                   const std::uint8_t*, const CompactLifState&, float*,
                                   LifParameterGradients*);
template void compact_lif_backward(const LifSize&, const NeuronParams&, const PackedImages&, const BFloat16*,
                                   const std::uint8_t*, const CompactLifState&, float*,
                                   LifParameterGradients*);
template void compact_lif_backward(const LifSize&, const NeuronParams&, const PackedImages&, const BFloat16*,
                                   const std::uint8_t*, const CompactLifState&, BFloat16*,
                                   LifParameterGradients*);

}  // namespace spikeloom::kernels::cpu
#endif
