#include "spikeloom/data/frame_packing.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace spikeloom::data {
namespace {

constexpr std::size_t kGroup = 8;
constexpr std::uint64_t kLowBits = 0x0101010101010101u;

/// Count i of a group in byte i from the lowest, on every machine.
std::uint64_t load_group(const std::uint8_t* counts, std::size_t size) {
  std::uint64_t group = 0;
  for (std::size_t i = 0; i < size; ++i) group |= std::uint64_t{counts[i]} << (8 * i);
  return group;
}

/// Entry b: bit i of b in byte i.
std::array<std::uint64_t, 256> make_spread() {
  std::array<std::uint64_t, 256> spread{};
  for (std::size_t byte = 0; byte < spread.size(); ++byte) {
    for (std::size_t i = 0; i < kGroup; ++i) spread[byte] |= std::uint64_t{byte >> i & 1u} << (8 * i);
  }
  return spread;
}

const std::array<std::uint64_t, 256> kSpread = make_spread();

}  // namespace

int bits_needed(const std::uint8_t* counts, std::size_t size) {
  unsigned all = 0;
  for (std::size_t i = 0; i < size; ++i) all |= counts[i];
  int bits = 0;
  for (; all != 0; all >>= 1) ++bits;
  return bits;
}

std::size_t packed_size(std::size_t size, int bits) {
  return (size / kGroup + (size % kGroup != 0 ? 1 : 0)) * static_cast<std::size_t>(bits);
}

void pack_counts(const std::uint8_t* counts, std::size_t size, int bits, std::vector<std::uint8_t>& packed) {
  for (std::size_t i = 0; i < size; i += kGroup) {
    const std::uint64_t group = load_group(counts + i, std::min(kGroup, size - i));
    for (int b = 0; b < bits; ++b) {
      // The product gathers bit 8 * i of its first factor in bit 56 + i.
      packed.push_back(static_cast<std::uint8_t>((group >> b & kLowBits) * 0x0102040810204080u >> 56));
    }
  }
}

void unpack_counts(const std::uint8_t* packed, std::size_t size, int bits, std::uint8_t* counts) {
  if (bits == 0) {
    std::memset(counts, 0, size);
    return;
  }
  for (std::size_t i = 0; i < size; i += kGroup) {
    std::uint64_t group = 0;
    for (int b = 0; b < bits; ++b) group |= kSpread[*packed++] << b;
    const std::size_t count = std::min(kGroup, size - i);
    for (std::size_t k = 0; k < count; ++k) counts[i + k] = static_cast<std::uint8_t>(group >> (8 * k));
  }
}

}  // namespace spikeloom::data
