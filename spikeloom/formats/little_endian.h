#pragma once
#include <cstdint>
#include <vector>

namespace spikeloom::formats {

// Numbers from little-endian bytes, whatever the processor's order; compilers make single loads of them.

inline std::uint16_t load_little_endian_u16(const std::uint8_t* bytes) {
  return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8);
}

inline std::uint32_t load_little_endian_u32(const std::uint8_t* bytes) {
  return bytes[0] | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 |
         std::uint32_t{bytes[3]} << 24;
}

inline std::uint64_t load_little_endian_u64(const std::uint8_t* bytes) {
  return load_little_endian_u32(bytes) | std::uint64_t{load_little_endian_u32(bytes + 4)} << 32;
}

/// Appends the lowest `size` bytes of value, the lowest first.
inline void append_little_endian(std::uint64_t value, int size, std::vector<std::uint8_t>& bytes) {
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

}  // namespace spikeloom::formats
