// Float lanes from and to memory that holds float or BFloat16. No include guard of the usual kind: it is
// compiled once for every SIMD target.
#if defined(SPIKELOOM_KERNELS_CPU_FLOAT_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_KERNELS_CPU_FLOAT_LANES
#undef SPIKELOOM_KERNELS_CPU_FLOAT_LANES
#else
#define SPIKELOOM_KERNELS_CPU_FLOAT_LANES
#endif
#include <hwy/highway.h>

#include "spikeloom/kernels/bfloat16.h"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {

template <class D>
HWY_ATTR HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_lanes(D d, const float* from) {
  return hwy::HWY_NAMESPACE::LoadU(d, from);
}

template <class D>
HWY_ATTR HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_lanes(D d, const BFloat16* from) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> d32;
  const auto bits = hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(from)));
  return hn::BitCast(d, hn::ShiftLeft<16>(bits));
}

template <class D, class V>
HWY_ATTR HWY_INLINE void store_lanes(D d, V value, float* to) {
  hwy::HWY_NAMESPACE::StoreU(value, d, to);
}

// The bits of bfloat16, in lanes of 32.
template <class D, class V>
HWY_ATTR HWY_INLINE hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::Rebind<std::uint32_t, D>> bfloat16_bits(
    D, V value) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint32_t, D> d32;
  const auto bits = hn::BitCast(d32, value);
  const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(even, hn::Set(d32, 0x7fffu))));
  const auto nan = hn::Or(hn::ShiftRight<16>(bits), hn::Set(d32, 0x40u));
  return hn::IfThenElse(hn::RebindMask(d32, hn::IsNaN(value)), nan, rounded);
}

template <class D, class V>
HWY_ATTR HWY_INLINE V round_to_bfloat16(D d, V value) {
  namespace hn = hwy::HWY_NAMESPACE;
  return hn::BitCast(d, hn::ShiftLeft<16>(bfloat16_bits(d, value)));
}

template <class D, class V>
HWY_ATTR HWY_INLINE void store_lanes(D d, V value, BFloat16* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::int32_t, D> di32;
  hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di32, bfloat16_bits(d, value))), d16,
             reinterpret_cast<std::uint16_t*>(to));
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif
