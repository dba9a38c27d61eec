#include "spikeloom/runtime/arithmetic/spiking_neurons.h"

#include <algorithm>
#include <cstring>

#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/runtime/arithmetic/spiking_neurons.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::runtime {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Values of a list with one for all neurons or, unless kSingle, one for each.
template <bool kSingle>
class Parameter {
 public:
  explicit Parameter(const std::vector<float>& list)
      : values_(list.data()), value_(list[0]), is_single_(kSingle || list.size() == 1) {}

  template <class D>
  HWY_ATTR HWY_INLINE hn::Vec<D> load(D d, std::int64_t i) const {
    return is_single_ ? hn::Set(d, value_) : hn::LoadU(d, values_ + i);
  }

 private:
  const float* values_;
  float value_;
  bool is_single_;
};

template <bool kSingle>
struct Parameters {
  Parameter<kSingle> decay, v_threshold, v_reset, current_decay, input_scale, leak;
  kernels::Reset reset;
};

// The neurons from i on that a vector of d holds, whose currents begin at `current`: a bit for each that
// fires.
template <bool kRounds, class D, class Parameters>
HWY_ATTR HWY_INLINE std::uint64_t fire_vector(D d, const Parameters& of, std::int64_t i, const float* current,
                                              const NeuronState& state) {
  auto synapse = hn::LoadU(d, current);
  if (kRounds) synapse = kernels::cpu::HWY_NAMESPACE::round_to_bfloat16(d, synapse);
  if (state.synapse != nullptr) {
    synapse = hn::Add(hn::Mul(of.current_decay.load(d, i), hn::LoadU(d, state.synapse + i)),
                      hn::Mul(of.input_scale.load(d, i), synapse));
    hn::StoreU(synapse, d, state.synapse + i);
  }
  const auto decayed = hn::Mul(of.decay.load(d, i), hn::LoadU(d, state.v + i));
  const auto v = hn::Add(hn::Add(decayed, synapse), of.leak.load(d, i));
  if (state.v_pre != nullptr) hn::StoreU(v, d, state.v_pre + i);
  const auto v_threshold = of.v_threshold.load(d, i);
  const auto fires = hn::Ge(v, v_threshold);
  auto after = v;
  if (of.reset == kernels::Reset::kZero) after = hn::IfThenElse(fires, of.v_reset.load(d, i), v);
  if (of.reset == kernels::Reset::kSubtract) after = hn::IfThenElse(fires, hn::Sub(v, v_threshold), v);
  hn::StoreU(after, d, state.v + i);
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, fires, bytes);
  std::uint64_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

template <bool kRounds, bool kSingle>
HWY_ATTR std::int64_t fire_neurons(const Neurons& neurons, std::int64_t first, std::int64_t count,
                                   const float* current, const NeuronState& state, std::uint8_t* spikes) {
  using Parameter = Parameter<kSingle>;
  const Parameters<kSingle> of{Parameter(neurons.decay),
                               Parameter(neurons.v_threshold),
                               Parameter(neurons.v_reset),
                               Parameter(neurons.current_decay),
                               Parameter(neurons.input_scale),
                               Parameter(neurons.leak),
                               neurons.reset};
  constexpr std::int64_t kWord = 64;
  const hn::CappedTag<float, kWord> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::uint8_t* to = spikes + first / 8;
  std::int64_t fired = 0, i = 0;
  for (; i + kWord <= count; i += kWord, to += 8) {
    std::uint64_t word = 0;
    for (std::int64_t k = 0; k < kWord; k += lanes) {
      word |= fire_vector<kRounds>(d, of, first + i + k, current + i + k, state) << k;
    }
    std::memcpy(to, &word, sizeof word);
    fired += __builtin_popcountll(word);
  }
  if (i == count) return fired;
  const std::int64_t left = count - i;
  std::uint64_t word = 0;
  std::int64_t k = 0;
  for (; k + lanes <= left; k += lanes)
    word |= fire_vector<kRounds>(d, of, first + i + k, current + i + k, state) << k;
  for (; k < left; ++k) {
    word |= fire_vector<kRounds>(hn::CappedTag<float, 1>(), of, first + i + k, current + i + k, state) << k;
  }
  std::memcpy(to, &word, static_cast<std::size_t>((left + 7) / 8));
  return fired + __builtin_popcountll(word);
}

HWY_ATTR std::int64_t fire_all(const Neurons& neurons, std::int64_t first, std::int64_t count,
                               const float* current, bool rounds, const NeuronState& state,
                               std::uint8_t* spikes) {
  const bool is_single =
      std::max({neurons.decay.size(), neurons.v_threshold.size(), neurons.v_reset.size(),
                neurons.current_decay.size(), neurons.input_scale.size(), neurons.leak.size()}) == 1;
  if (!is_single && rounds) return fire_neurons<true, false>(neurons, first, count, current, state, spikes);
  if (!is_single) return fire_neurons<false, false>(neurons, first, count, current, state, spikes);
  if (rounds) return fire_neurons<true, true>(neurons, first, count, current, state, spikes);
  return fire_neurons<false, true>(neurons, first, count, current, state, spikes);
}

HWY_ATTR void round_all(float* values, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(kernels::cpu::HWY_NAMESPACE::round_to_bfloat16(d, hn::LoadU(d, values + i)), d, values + i);
  }
  for (; i < count; ++i) {
    values[i] = kernels::to_float(kernels::from_float<kernels::BFloat16>(values[i]));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::runtime
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::runtime {
namespace {

HWY_EXPORT(fire_all);
HWY_EXPORT(round_all);

}  // namespace

bool has_synapses(const Neurons& neurons) {
  return neurons.current_decay != std::vector<float>{0.0f} || neurons.input_scale != std::vector<float>{1.0f};
}

std::int64_t fire(const Neurons& neurons, std::int64_t first, std::int64_t count, const float* current,
                  bool rounds, const NeuronState& state, std::uint8_t* spikes) {
  kernels::cpu::simd_level();
  return HWY_DYNAMIC_DISPATCH(fire_all)(neurons, first, count, current, rounds, state, spikes);
}

void round_to_bfloat16(float* values, std::int64_t count) {
  kernels::cpu::simd_level();
  HWY_DYNAMIC_DISPATCH(round_all)(values, count);
}

}  // namespace spikeloom::runtime
#endif
