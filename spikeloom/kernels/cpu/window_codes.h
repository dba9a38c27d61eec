#pragma once
#include <cstdint>

namespace spikeloom::kernels::cpu {

// Codes of the membrane potential (v_pre_code.h) are 0 where the surrogate's window is closed, and those need
// not be kept: the others, in order, and a bit for each neuron say the same.

/// codes [neurons], neurons a multiple of 64 -> those whose bit in `open` is set, in order, written to
/// packed, where there is room for neurons + 64. Returns how many.
std::int64_t pack_codes(std::int64_t neurons, const std::uint8_t* codes, const std::uint8_t* open,
                        std::uint8_t* packed);

/// The reverse: codes [neurons], 0 where the bit is not set, from those before `packed_end`. Returns how
/// many.
std::int64_t unpack_codes(std::int64_t neurons, const std::uint8_t* packed_end, const std::uint8_t* open,
                          std::uint8_t* codes);

}  // namespace spikeloom::kernels::cpu
