#pragma once
#include <cstdint>

namespace spikeloom::formats {

/// The big-endian number in the four bytes from `bytes` on, whatever the processor's order.
inline std::uint32_t load_big_endian_u32(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

}  // namespace spikeloom::formats
