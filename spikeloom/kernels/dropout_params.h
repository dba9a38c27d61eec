#pragma once
// Counter-based inverted dropout: which elements are kept depends only on (key, counter, position), so a mask
// is never stored and a resumed run draws the same one. The rule is part of the interface: every backend
// obeys it.
//   e = t * whole_elements() + first + i, or first + i when every step has the same mask
//   number(e) = 16-bit number e % 8 of philox4x32({lo(e/8), hi(e/8), lo(counter), hi(counter)}, {lo(key),
//   hi(key)}):
//               word (e % 8) / 2, low half first
//   kept iff number(e) >= round(p * 65536);  output = kept ? input * scale : 0
#include <cmath>
#include <cstdint>

namespace spikeloom::kernels {

/// Memory: [num_steps, elements], elements over [N, H, W, C] in whatever order the caller keeps.
struct DropoutSize {
  std::int64_t num_steps = 0;
  std::int64_t elements = 0;  ///< per step
  bool same_mask_each_step = false;
  /// Where these are some samples of a batch: the elements per step of the batch (0: these are all) and the
  /// place of the first of these among them.
  std::int64_t whole = 0, first = 0;

  static constexpr std::int64_t kPart = 128;  ///< random numbers are made for so many elements at a time
  std::int64_t whole_elements() const { return whole != 0 ? whole : elements; }
};

/// key: stream_key(seed, RandomPurpose::kDropout); counter: which draw (layer and training iteration, mixed
/// by the caller).
struct DropoutKey {
  std::uint64_t key = 0;
  std::uint64_t counter = 0;
};

/// The counter of a layer's draw in a training iteration: 16 bits of layer, 48 of iteration, so that no two
/// draws of a run share one.
constexpr int kDropoutIterationBits = 48;
inline std::uint64_t dropout_counter(int layer, std::uint64_t iteration) {
  return (static_cast<std::uint64_t>(layer) << kDropoutIterationBits) | iteration;
}

/// round(p * 65536), p in [0, 1]: numbers below it are dropped.
inline std::uint32_t dropout_threshold(double p) {
  return static_cast<std::uint32_t>(std::lround(p * 65536.0));
}

/// 1 / (1 - round(p * 65536) / 65536), the inverse of the exact probability of being kept; 0 where nothing is
/// kept.
inline double dropout_scale(double p) {
  const std::uint32_t kept = 65536u - dropout_threshold(p);
  return kept == 0 ? 0.0 : 65536.0 / kept;
}

}  // namespace spikeloom::kernels
