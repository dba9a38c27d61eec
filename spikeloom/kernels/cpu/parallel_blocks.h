#pragma once
// How the CPU kernels share out work: blocks that depend on the size of the problem only, never on the number
// of threads, so that sums over blocks are the same for any number of threads.
#include <algorithm>
#include <cstdint>

#include "spikeloom/base/threads.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace spikeloom::kernels::cpu {

constexpr std::int64_t kMaxBlocks = 256;
/// Below this many values touched, starting the threads costs more than it saves.
constexpr std::int64_t kMinParallelWork = 1 << 15;

/// A range [0, total) cut into at most kMaxBlocks blocks, each but the last a multiple of the grain.
struct Blocks {
  std::int64_t total = 0;
  std::int64_t length = 1;
  std::int64_t count = 0;
};

inline Blocks make_blocks(std::int64_t total, std::int64_t grain) {
  Blocks blocks;
  blocks.total = std::max<std::int64_t>(total, 0);
  const std::int64_t grains = (blocks.total + grain - 1) / grain;
  blocks.length = std::max<std::int64_t>(1, (grains + kMaxBlocks - 1) / kMaxBlocks) * grain;
  blocks.count = (blocks.total + blocks.length - 1) / blocks.length;
  return blocks;
}

/// The treatment of denormal floats of the calling thread. Handed to the workers, so that a value does not
/// depend on which thread computes it.
class DenormalMode {
 public:
#if defined(__SSE2__)
  void apply() const { _mm_setcsr((_mm_getcsr() & ~kMask) | mode_); }

 private:
  static constexpr unsigned kMask = 0x8040u;
  unsigned mode_ = _mm_getcsr() & kMask;
#else
  void apply() const {}
#endif
};

/// Calls function(block, begin, end) for every block, on num_threads() threads if `work` (values touched) is
/// worth it.
template <class Function>
void for_each_block(const Blocks& blocks, std::int64_t work, const Function& function) {
  const DenormalMode mode;
  const std::int64_t threads = std::min<std::int64_t>(num_threads(), blocks.count);
#pragma omp parallel num_threads(static_cast <int>(threads)) if (threads > 1 && work >= kMinParallelWork)
  {
    mode.apply();
#pragma omp for schedule(static)
    for (std::int64_t block = 0; block < blocks.count; ++block) {
      const std::int64_t begin = block * blocks.length;
      function(block, begin, std::min(blocks.total, begin + blocks.length));
    }
  }
}

}  // namespace spikeloom::kernels::cpu
