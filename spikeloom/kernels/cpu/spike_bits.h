#pragma once
// Walking through packed spikes, a word of 64 neurons at a time. Internal to the event-driven kernels.
#include <cstdint>
#include <cstring>

#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::cpu {

/// Calls function(bit) for each set bit of [begin, begin + count), counted from begin. Reads no byte outside.
template <class Function>
void for_each_bit(const std::uint8_t* bits, std::int64_t begin, std::int64_t count,
                  const Function& function) {
  std::int64_t i = 0;
  if (begin % 8 == 0) {
    for (; i + 64 <= count; i += 64) {
      std::uint64_t word;
      std::memcpy(&word, bits + (begin + i) / 8, sizeof word);
      for (; word != 0; word &= word - 1) function(i + __builtin_ctzll(word));
    }
    for (; i + 8 <= count; i += 8) {
      for (unsigned byte = bits[(begin + i) / 8]; byte != 0; byte &= byte - 1) {
        function(i + __builtin_ctz(byte));
      }
    }
  }
  for (; i < count; ++i) {
    if (get_bit(bits, begin + i)) function(i);
  }
}

/// Bits [begin, begin + count), count <= 64, of `bytes` bytes, the first as the lowest.
inline std::uint64_t load_bits(const std::uint8_t* bits, std::int64_t bytes, std::int64_t begin,
                               std::int64_t count) {
  const std::int64_t first = begin / 8, shift = begin % 8;
  std::uint64_t word = 0;
  if (first + 8 <= bytes) {
    std::memcpy(&word, bits + first, 8);
  } else {
    std::memcpy(&word, bits + first, static_cast<std::size_t>(bytes - first));
  }
  word >>= shift;
  if (shift + count > 64) word |= static_cast<std::uint64_t>(bits[first + 8]) << (64 - shift);
  return count < 64 ? word & ((std::uint64_t{1} << count) - 1) : word;
}

/// Digits that a count of pool * pool spikes has in binary.
inline int count_planes(std::int64_t pool) {
  int planes = 0;
  for (std::int64_t most = pool * pool; most > 0; most /= 2) ++planes;
  return planes;
}

/// Adds 64 spikes to as many counts, of which planes[p * stride] holds digit p.
inline void add_bits(std::uint64_t word, int count, std::int64_t stride, std::uint64_t* planes) {
  for (int p = 0; p < count; ++p, planes += stride) {
    const std::uint64_t carry = *planes & word;
    *planes ^= word;
    word = carry;
  }
}

}  // namespace spikeloom::kernels::cpu
