#pragma once
#include <cstdint>

namespace spikeloom::formats {

/// 1 if a place is outside width x height, else 0; no branch, for loops that gather the answers with |.
inline std::uint32_t is_outside(std::uint32_t x, std::uint32_t y, std::uint32_t width, std::uint32_t height) {
  return std::uint32_t{x >= width} | std::uint32_t{y >= height};
}

}  // namespace spikeloom::formats
