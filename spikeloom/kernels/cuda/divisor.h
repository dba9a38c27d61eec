#pragma once
#include <cstdint>

#include "spikeloom/base/host_device.h"

namespace spikeloom::kernels::cuda {

/// Division by a number that is known before the kernel starts, as one multiplication: exact for dividends in
/// [0, 2^63). With l = ceil(log2 d) and m = ceil(2^(63 + l) / d) the quotient is floor(m n / 2^(63 + l)),
/// because m d exceeds 2^(63 + l) by less than d <= 2^l, which adds less than 1/d to n / d. Source: Granlund
/// and Montgomery, "Division by invariant integers using multiplication" (PLDI 1994), theorem 4.2.
class Divisor {
 public:
  Divisor() = default;
  /// divisor in [1, 2^62]; values below 1 count as 1.
  explicit Divisor(std::int64_t divisor) : divisor_(divisor < 1 ? 1 : divisor) {
    if (divisor_ == 1) return;
    int log2 = 1;
    while ((std::int64_t{1} << log2) < divisor_) ++log2;
    const Wide power = Wide{1} << (63 + log2);
    multiplier_ =
        static_cast<std::uint64_t>((power + static_cast<Wide>(divisor_) - 1) / static_cast<Wide>(divisor_));
    shift_ = log2 - 1;
  }

  SPIKELOOM_HOST_DEVICE std::int64_t quotient(std::int64_t n) const {
    if (divisor_ == 1) return n;
    const auto dividend = static_cast<std::uint64_t>(n);
#ifdef __CUDA_ARCH__
    const std::uint64_t high = __umul64hi(dividend, multiplier_);
#else
    const auto high = static_cast<std::uint64_t>(Wide{dividend} * multiplier_ >> 64);
#endif
    return static_cast<std::int64_t>(high >> shift_);
  }

  /// n becomes the quotient; the remainder is returned.
  SPIKELOOM_HOST_DEVICE std::int64_t split(std::int64_t& n) const {
    const std::int64_t q = quotient(n), rest = n - q * divisor_;
    n = q;
    return rest;
  }

 private:
  __extension__ typedef unsigned __int128 Wide;
  std::int64_t divisor_ = 1;
  std::uint64_t multiplier_ = 0;
  int shift_ = 0;
};

}  // namespace spikeloom::kernels::cuda
