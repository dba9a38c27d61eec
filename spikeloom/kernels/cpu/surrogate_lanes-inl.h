// The surrogates on vectors; compiled once for every SIMD target, hence no include guard of the usual kind.
#if defined(SPIKELOOM_KERNELS_CPU_SURROGATE_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKELOOM_KERNELS_CPU_SURROGATE_LANES
#undef SPIKELOOM_KERNELS_CPU_SURROGATE_LANES
#else
#define SPIKELOOM_KERNELS_CPU_SURROGATE_LANES
#endif
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "spikeloom/kernels/reference/surrogate.h"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The operations of reference::surrogate_derivative in the same order, so that the bits agree (but for Exp).
template <Surrogate kSurrogate, class D, class V>
HWY_ATTR HWY_INLINE V surrogate_lanes(D d, V x, hn::TFromD<D> width) {
  using T = hn::TFromD<D>;
  const T inverse = T(1) / width;
  const auto one = hn::Set(d, T(1));
  if constexpr (kSurrogate == Surrogate::kRectangular) {
    return hn::IfThenElseZero(hn::Lt(hn::Abs(x), hn::Set(d, width * T(0.5))), hn::Set(d, inverse));
  } else if constexpr (kSurrogate == Surrogate::kTriangular) {
    const auto height = hn::Sub(one, hn::Mul(hn::Abs(x), hn::Set(d, inverse)));
    return hn::Mul(hn::Set(d, inverse), hn::Max(hn::Zero(d), height));
  } else if constexpr (kSurrogate == Surrogate::kSigmoid) {
    const auto slope = hn::Set(d, T(4) * inverse);
    const auto e = hn::Exp(d, hn::Neg(hn::Abs(hn::Mul(slope, x))));
    const auto sum = hn::Add(one, e);
    return hn::Div(hn::Mul(slope, e), hn::Mul(sum, sum));
  } else {
    const auto z = hn::Mul(hn::Set(d, static_cast<T>(reference::kPi) * inverse), x);
    return hn::Div(hn::Set(d, inverse), hn::Add(one, hn::Mul(z, z)));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif
