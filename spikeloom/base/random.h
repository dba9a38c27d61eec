#pragma once
// Counter-based random numbers: a number depends only on (seed, purpose, counter), never on how many were
// drawn before. That is what makes a resumed run equal to one that was not interrupted, for any number of
// threads.
#include <array>
#include <cstdint>
#include <vector>

#include "spikeloom/base/host_device.h"

namespace spikeloom {

/// What a stream is for. Each purpose has its own key, so that drawing more numbers for one never shifts
/// another.
enum class RandomPurpose : std::uint32_t {
  kInit = 1,
  kShuffle = 2,
  kAugment = 3,
  kDropout = 4,
  kVoting = 5,
  kSplit = 6,
  kBench = 7,
  kSensor = 8,     ///< what differs between the pixels of a simulated sensor
  kSimulation = 9  ///< noise of a simulated recording
};

/// Philox4x32-10: four 32-bit numbers from a 128-bit counter and a 64-bit key.
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), table 2 and the
/// known-answer vectors of Random123. Thread-safe, no state.
SPIKELOOM_HOST_DEVICE inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                                     std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// The 64-bit key of a purpose under a seed.
std::uint64_t stream_key(std::uint64_t seed, RandomPurpose purpose);

/// A sequence of numbers for one (seed, purpose, item): `item` is what the numbers belong to, for example
/// (epoch, sample) of an augmentation or the number of a layer. Cheap to make; make one per item.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint64_t item = 0, std::uint64_t sub_item = 0);

  /// Uniform over all 32-bit values.
  std::uint32_t next_u32();
  /// Uniform in [0, 1) with 24 random bits: exact in float.
  float uniform();
  /// Uniform integer in [0, bound), bound > 0, without modulo bias (Lemire 2019).
  std::uint32_t below(std::uint32_t bound);
  /// Standard normal deviate (Box-Muller, in double).
  double normal();

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  bool has_spare_normal_ = false;
  double spare_normal_ = 0.0;
};

/// A permutation of 0..size-1 (Fisher-Yates), the same for the same (seed, purpose, item).
std::vector<std::int64_t> random_permutation(std::int64_t size, std::uint64_t seed, RandomPurpose purpose,
                                             std::uint64_t item = 0);

}  // namespace spikeloom
