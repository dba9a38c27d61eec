#pragma once
// What the transforms draw beyond base/random.h: wide integers and doubles.
#include <cstdint>

#include "spikeloom/base/random.h"

namespace spikeloom::events {

/// Uniform in [0, 1) with 53 random bits. Two numbers of the stream.
inline double uniform_double(RandomStream& random) {
  const std::uint64_t high = random.next_u32();
  return static_cast<double>((high << 21) | (random.next_u32() >> 11)) * 0x1p-53;
}

/// Uniform integer in [0, bound), bound > 0; exact below 2^32, off by less than bound / 2^64 above.
inline std::uint64_t uniform_below(RandomStream& random, std::uint64_t bound) {
  if (bound <= 0xFFFFFFFFu) return random.below(static_cast<std::uint32_t>(bound));
  const std::uint64_t high = random.next_u32();
  const std::uint64_t value = (high << 32) | random.next_u32();
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{value} * bound) >> 64);
}

/// Uniform integer in [smallest, largest], smallest <= largest.
inline std::int64_t uniform_between(RandomStream& random, std::int64_t smallest, std::int64_t largest) {
  const std::uint64_t span = static_cast<std::uint64_t>(largest) - static_cast<std::uint64_t>(smallest);
  if (span == ~std::uint64_t{0}) {
    const std::uint64_t high = random.next_u32();
    return static_cast<std::int64_t>((high << 32) | random.next_u32());
  }
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(smallest) + uniform_below(random, span + 1));
}

}  // namespace spikeloom::events
