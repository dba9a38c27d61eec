#include "spikeloom/kernels/cpu/code_store.h"

#include <algorithm>

namespace spikeloom::kernels::cpu {
namespace {

// Large enough to be few, small enough that the last one's rest does not count.
constexpr std::int64_t kSmallestSlab = 1 << 10, kLargestSlab = 1 << 18;

}  // namespace

CodeStore::CodeStore(std::int64_t neurons, std::int64_t num_steps)
    : slab_size_(std::clamp(neurons * num_steps / 64, kSmallestSlab, kLargestSlab)),
      chunks_(static_cast<std::size_t>(neurons / kChunk + 2), nullptr) {}

std::uint8_t* CodeStore::add(std::int64_t chunk, std::int64_t count) {
  const std::lock_guard lock(mutex_);
  if (slabs_.empty() || used_ + count > slabs_.back().size) {
    const std::int64_t size = std::max(slab_size_, count);
    // Not zeroed: all of it is written before it is read.
    slabs_.push_back(
        {std::unique_ptr<std::uint8_t[]>(new std::uint8_t[static_cast<std::size_t>(size)]), size});
    used_ = 0;
  }
  std::uint8_t* const codes = slabs_.back().data.get() + used_;
  used_ += count;
  chunks_[static_cast<std::size_t>(chunk)] = codes + count;
  return codes;
}

std::int64_t CodeStore::bytes() const {
  auto sum = static_cast<std::int64_t>(chunks_.size() * sizeof chunks_[0]);
  for (const Slab& slab : slabs_) sum += slab.size;
  return sum;
}

}  // namespace spikeloom::kernels::cpu
