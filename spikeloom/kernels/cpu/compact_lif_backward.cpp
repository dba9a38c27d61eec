#include <cstring>
#include <type_traits>
#include <vector>

#include "spikeloom/kernels/cpu/compact_lif.h"
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
  for (std::int64_t done = 0; done < length;) {
    const std::int64_t count = HWY_MIN(channels - c, length - done);
    const std::int64_t px = x / k, py = y / k;
    if (px < images.pooled_width() && py < images.pooled_height()) {
      const std::int64_t at = ((n * images.pooled_height() + py) * images.pooled_width() + px) * channels + c;
      scale_row(gradient + at, scale, count, row + done);
    } else {
      for (std::int64_t i = 0; i < count; ++i) row[done + i] = 0.0f;
    }
    done += count;
    c = 0;
    if (++x == images.width) {
      x = 0;
      if (++y == images.height) {
        y = 0;
        ++n;
      }
    }
  }
}

template <class D>
HWY_ATTR HWY_INLINE hn::Mask<D> bits_at(D d, const std::uint8_t* bits, std::int64_t i) {
  // Fewer than 8 lanes begin inside a byte.
  const std::uint8_t bytes[8] = {static_cast<std::uint8_t>(bits[i / 8] >> (i % 8)), 0};
  return hn::Lanes(d) >= 8 ? hn::LoadMaskBits(d, bits + i / 8) : hn::LoadMaskBits(d, bytes);
}

// One step of a chunk: grad_spikes (float), du of the step after -> du of this one; from is nullptr when they
// lie in `row`.
template <Surrogate kSurrogate, bool kToZero, bool kBits, class T, class Code>
HWY_ATTR HWY_INLINE void backward_row(const NeuronParams& params, const VPreCode& code, const T* grad_spikes,
                                      const std::uint8_t* spikes, const Code* state, std::int64_t length,
                                      float* du_row) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::int32_t, decltype(d)> di;
  const hn::Rebind<Code, decltype(d)> d_code;
  constexpr bool kCloses = kSurrogate == Surrogate::kRectangular || kSurrogate == Surrogate::kTriangular;
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
      h = kSurrogate == Surrogate::kRectangular ? peak : surrogate_lanes<kSurrogate>(d, x, width);
      if constexpr (kCloses) {
        h = hn::IfThenZeroElse(hn::RebindMask(d, hn::Eq(kept, hn::Zero(di))), h);
      }
    }
    const auto g = hn::Mul(decay, hn::LoadU(d, du_row + i));
    const auto through_reset = hn::Mul(g, kToZero ? hn::Add(v_threshold, x) : v_threshold);
    const auto gradient = hn::Sub(load_lanes(d, grad_spikes + i), hn::Mul(reset_path, through_reset));
    const auto kept_gradient = kToZero ? hn::IfThenZeroElse(fired, g) : g;
    hn::StoreU(hn::Add(hn::Mul(gradient, h), kept_gradient), d, du_row + i);
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

template <Surrogate kSurrogate, bool kToZero, bool kBits, class G, class T>
HWY_ATTR void backward_range(const CompactBackwardArguments<G, T>& arguments, std::int64_t begin,
                             std::int64_t end) {
  const VPreCode code(arguments.params);
  const LifSize& size = arguments.size;
  const PackedImages& images = arguments.images;
  constexpr bool kCloses = kSurrogate == Surrogate::kRectangular || kSurrogate == Surrogate::kTriangular;
  const std::int64_t stride = packed_bytes(size.neurons);
  const CompactLifState& kept = arguments.state;
  using Code = std::conditional_t<kCloses, std::uint8_t, std::uint16_t>;  // or a byte of window bits
  alignas(64) std::uint8_t codes[kCompactBackwardChunk];
  alignas(64) float du[kCompactBackwardChunk], sum[kCompactBackwardChunk], row[kCompactBackwardChunk];
  const std::int64_t whole_end = begin + (end - begin) / 64 * 64;
  for (std::int64_t first = begin; first < whole_end; first += kCompactBackwardChunk) {
    const std::int64_t length = HWY_MIN(kCompactBackwardChunk, whole_end - first);
    for (std::int64_t i = 0; i < length; ++i) du[i] = 0.0f;
    if (size.static_input) {
      for (std::int64_t i = 0; i < length; ++i) sum[i] = 0.0f;
    }
    const std::uint8_t* packed_end =
        !kBits && kCloses ? kept.codes->end(first / kCompactBackwardChunk) : nullptr;
    for (std::int64_t t = size.num_steps - 1; t >= 0; --t) {
      const G* gradient = arguments.grad_pooled + t * images.pooled_neurons();
      const std::uint8_t* spikes = arguments.spikes + t * stride + first / 8;
      const Code* state = nullptr;
      if constexpr (kBits) {
        state = kept.open + t * stride + first / 8;
      } else if constexpr (kCloses) {
        packed_end -= unpack_codes(length, packed_end, kept.open + t * stride + first / 8, codes);
        state = codes;
      } else {
        state = kept.all_codes + t * size.neurons + first;
      }
      if (images.pool == 1) {
        backward_row<kSurrogate, kToZero, kBits>(arguments.params, code, gradient + first, spikes, state,
                                                 length, du);
      } else {
        spread_gradient(images, gradient, first, length, row);
        const float* spread = row;
        backward_row<kSurrogate, kToZero, kBits>(arguments.params, code, spread, spikes, state, length, du);
      }
      if (size.static_input) {
        add_row(du, length, sum);
      } else {
        round_row(du, length, arguments.grad_input + t * size.neurons + first);
      }
    }
    if (size.static_input) round_row(sum, length, arguments.grad_input + first);
  }
  if (whole_end == end) return;
  const std::uint8_t* tail = kBits ? kept.open : reinterpret_cast<const std::uint8_t*>(kept.all_codes);
  std::vector<std::uint8_t> rows;
  reference::CodeRows where;
  if (!kBits && kCloses) {
    rows.resize(static_cast<std::size_t>(size.num_steps * 64));
    const std::uint8_t* packed_end =
        kept.codes->end((whole_end + kCompactBackwardChunk - 1) / kCompactBackwardChunk);
    for (std::int64_t t = size.num_steps - 1; t >= 0; --t) {
      packed_end -=
          unpack_codes(64, packed_end, kept.open + t * stride + whole_end / 8, rows.data() + t * 64);
    }
    tail = rows.data();
    where = {64, whole_end};
  }
  reference::compact_lif_backward_range(size, arguments.params, images, arguments.grad_pooled,
                                        arguments.spikes, tail, arguments.grad_input, whole_end, end, where);
}

template <Surrogate kSurrogate, class G, class T>
HWY_ATTR void choose_reset(const CompactBackwardArguments<G, T>& arguments, std::int64_t begin,
                           std::int64_t end) {
  const bool to_zero = arguments.params.reset == Reset::kZero;
  if constexpr (kSurrogate == Surrogate::kRectangular) {
    if (compact_state(arguments.params) == CompactState::kWindowBit) {
      return to_zero ? backward_range<kSurrogate, true, true>(arguments, begin, end)
                     : backward_range<kSurrogate, false, true>(arguments, begin, end);
    }
  }
  return to_zero ? backward_range<kSurrogate, true, false>(arguments, begin, end)
                 : backward_range<kSurrogate, false, false>(arguments, begin, end);
}

template <class G, class T>
HWY_ATTR void choose_surrogate(const CompactBackwardArguments<G, T>& arguments, std::int64_t begin,
                               std::int64_t end) {
  switch (arguments.params.surrogate) {
    case Surrogate::kRectangular:
      return choose_reset<Surrogate::kRectangular>(arguments, begin, end);
    case Surrogate::kTriangular:
      return choose_reset<Surrogate::kTriangular>(arguments, begin, end);
    case Surrogate::kSigmoid:
      return choose_reset<Surrogate::kSigmoid>(arguments, begin, end);
    case Surrogate::kArctan:
      return choose_reset<Surrogate::kArctan>(arguments, begin, end);
  }
}

void compact_backward_float(const CompactBackwardArguments<float, float>& arguments, std::int64_t begin,
                            std::int64_t end) {
  choose_surrogate(arguments, begin, end);
}

void compact_backward_mixed(const CompactBackwardArguments<BFloat16, float>& arguments, std::int64_t begin,
                            std::int64_t end) {
  choose_surrogate(arguments, begin, end);
}

void compact_backward_bfloat16(const CompactBackwardArguments<BFloat16, BFloat16>& arguments,
                               std::int64_t begin, std::int64_t end) {
  choose_surrogate(arguments, begin, end);
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
                          T* grad_input) {
  simd_level();
  const CompactBackwardArguments<G, T> arguments{size,   params, images,    grad_pooled,
                                                 spikes, state,  grad_input};
  for_each_block(make_blocks(size.neurons, kCompactBackwardChunk), size.neurons * size.num_steps,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   if constexpr (std::is_same_v<G, float>) {
                     HWY_DYNAMIC_DISPATCH(compact_backward_float)(arguments, begin, end);
                   } else if constexpr (std::is_same_v<T, float>) {
                     HWY_DYNAMIC_DISPATCH(compact_backward_mixed)(arguments, begin, end);
                   } else {
                     HWY_DYNAMIC_DISPATCH(compact_backward_bfloat16)(arguments, begin, end);
                   }
                 });
}

template void compact_lif_backward(const LifSize&, const NeuronParams&, const PackedImages&, const float*,
                                   const std::uint8_t*, const CompactLifState&, float*);
template void compact_lif_backward(const LifSize&, const NeuronParams&, const PackedImages&, const BFloat16*,
                                   const std::uint8_t*, const CompactLifState&, float*);
template void compact_lif_backward(const LifSize&, const NeuronParams&, const PackedImages&, const BFloat16*,
                                   const std::uint8_t*, const CompactLifState&, BFloat16*);

}  // namespace spikeloom::kernels::cpu
#endif
