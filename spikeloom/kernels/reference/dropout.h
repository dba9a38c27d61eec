#pragma once
#include <array>
#include <cstdint>

#include "spikeloom/base/random.h"
#include "spikeloom/kernels/dropout_params.h"

namespace spikeloom::kernels::reference {

/// The 16-bit random number of element e: see dropout_params.h.
inline std::uint32_t dropout_number(const DropoutKey& key, std::int64_t e) {
  const auto low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
  const auto high = [](std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); };
  const auto block = static_cast<std::uint64_t>(e / 8);
  const auto words = philox4x32({low(block), high(block), low(key.counter), high(key.counter)},
                                {low(key.key), high(key.key)});
  const auto within = static_cast<std::size_t>(e % 8);
  return (words[within / 2] >> (16 * (within % 2))) & 0xFFFFu;
}

/// Inverted dropout of input [T, elements], p in [0, 1]; serves the forward and the backward pass. In place
/// allowed. Depends only on its arguments. Never throws.
template <class T>
void dropout_apply(const DropoutSize& size, double p, DropoutKey key, const T* input, T* output) {
  const std::uint32_t threshold = dropout_threshold(p);
  const T scale = static_cast<T>(dropout_scale(p));
  for (std::int64_t t = 0; t < size.num_steps; ++t) {
    for (std::int64_t i = 0; i < size.elements; ++i) {
      const std::int64_t at = t * size.elements + i;
      const std::int64_t row = size.same_mask_each_step ? 0 : t * size.whole_elements();
      const bool kept = dropout_number(key, row + size.first + i) >= threshold;
      output[at] = kept ? input[at] * scale : T(0);
    }
  }
}

}  // namespace spikeloom::kernels::reference
