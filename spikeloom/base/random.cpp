#include "spikeloom/base/random.h"

#include <cmath>
#include <numeric>
#include <utility>

namespace spikeloom {

std::uint64_t stream_key(std::uint64_t seed, RandomPurpose purpose) {
  const auto mixed = philox4x32({static_cast<std::uint32_t>(purpose), 0, 0, 0},
                                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return (std::uint64_t{mixed[1]} << 32) | mixed[0];
}

RandomStream::RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint64_t item,
                           std::uint64_t sub_item) {
  const std::uint64_t key = stream_key(seed, purpose);
  key_ = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  // Word 0 counts blocks; the item fills words 1 and 2 and the sub-item word 3. Items of more than 48 bits or
  // sub-items of more than 48 bits do not occur (they count samples, epochs and layers): the high halves
  // share.
  counter_ = {0, static_cast<std::uint32_t>(item),
              static_cast<std::uint32_t>(item >> 32) ^ (static_cast<std::uint32_t>(sub_item >> 32) << 16),
              static_cast<std::uint32_t>(sub_item)};
}

std::uint32_t RandomStream::next_u32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

float RandomStream::uniform() { return static_cast<float>(next_u32() >> 8) * 0x1p-24f; }

std::uint32_t RandomStream::below(std::uint32_t bound) {
  std::uint64_t product = std::uint64_t{next_u32()} * bound;
  auto low = static_cast<std::uint32_t>(product);
  if (low < bound) {
    const std::uint32_t threshold = (0u - bound) % bound;
    while (low < threshold) {
      product = std::uint64_t{next_u32()} * bound;
      low = static_cast<std::uint32_t>(product);
    }
  }
  return static_cast<std::uint32_t>(product >> 32);
}

double RandomStream::normal() {
  if (has_spare_normal_) {
    has_spare_normal_ = false;
    return spare_normal_;
  }
  constexpr double kTwoPi = 6.283185307179586476925;
  // +1 keeps the argument of the logarithm above zero.
  const double u = (static_cast<double>(next_u32()) + 1.0) * 0x1p-32;
  const double angle = kTwoPi * (static_cast<double>(next_u32()) * 0x1p-32);
  const double radius = std::sqrt(-2.0 * std::log(u));
  spare_normal_ = radius * std::sin(angle);
  has_spare_normal_ = true;
  return radius * std::cos(angle);
}

std::vector<std::int64_t> random_permutation(std::int64_t size, std::uint64_t seed, RandomPurpose purpose,
                                             std::uint64_t item) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  RandomStream stream(seed, purpose, item);
  for (std::int64_t i = size - 1; i > 0; --i) {
    const auto j = static_cast<std::size_t>(stream.below(static_cast<std::uint32_t>(i + 1)));
    std::swap(order[static_cast<std::size_t>(i)], order[j]);
  }
  return order;
}

}  // namespace spikeloom
