#pragma once
// Event counts of a recording, packed into as few bits as its largest count needs.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace spikeloom::data {

/// Bits that hold the largest of the counts: 0 if all are 0, 1 if all are 0 or 1, 8 at most.
int bits_needed(const std::uint8_t* counts, std::size_t size);

/// Bytes of `size` counts of `bits` bits each: 8 counts take `bits` bytes, the last group is filled with
/// zeros.
std::size_t packed_size(std::size_t size, int bits);

/// Appends the packed counts. Of each group of 8 counts, byte b holds bit b of each of them, the first count
/// lowest. bits >= bits_needed(counts, size).
void pack_counts(const std::uint8_t* counts, std::size_t size, int bits, std::vector<std::uint8_t>& packed);

/// The inverse: `packed` has packed_size(size, bits) bytes, all `size` counts are written.
void unpack_counts(const std::uint8_t* packed, std::size_t size, int bits, std::uint8_t* counts);

}  // namespace spikeloom::data
