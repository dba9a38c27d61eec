#pragma once
#include <cstddef>
#include <cstdint>

namespace spikeloom::runtime {

/// Sizes and places are 64-bit integers with a sign; a place in a std::vector has none.
inline std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

}  // namespace spikeloom::runtime
