#pragma once
// Which samples are mirrored left-right: one rule for still images and recordings.
#include <cstdint>
#include <limits>

#include "spikeloom/base/random.h"
#include "spikeloom/data/dataset.h"
#include "spikeloom/data/settings.h"

namespace spikeloom::data {

/// Whether sample `index` is mirrored in the epoch of `key`. `stream`: that of the sample's augmentation, of
/// which one number is drawn in either order, so that what is drawn later does not depend on the order.
/// kAlternating (K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024): a draw that no epoch
/// changes says how the first epoch shows the sample; every other epoch shows it the other way.
inline bool is_mirrored(FlipOrder order, const AugmentKey& key, std::int64_t index, RandomStream& stream) {
  const bool at_random = stream.uniform() < 0.5f;
  if (order == FlipOrder::kRandom) return at_random;
  RandomStream once(key.seed, RandomPurpose::kAugment, static_cast<std::uint64_t>(index),
                    std::numeric_limits<std::uint64_t>::max());  // no epoch has this number
  return (once.uniform() < 0.5f) != (key.epoch % 2 != 0);
}

}  // namespace spikeloom::data
