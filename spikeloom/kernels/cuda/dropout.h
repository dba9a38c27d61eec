#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/dropout_params.h"

namespace spikeloom::kernels::cuda {

/// One draw of the rule of dropout_params.h. Its counter is layer << 48 | *iteration; the iteration is read
/// when the kernel runs, so that a replayed graph draws a new mask.
struct DropoutDraw {
  const std::uint64_t* iteration = nullptr;  ///< the queue's memory, below 2^48
  std::uint64_t layer = 0;                   ///< below 2^16
  std::uint64_t key = 0;                     ///< stream_key(seed, RandomPurpose::kDropout)
  double rate = 0.0;                         ///< probability of being dropped, [0, 1]
  bool same_mask_each_step = false;
};

/// Inverted dropout of input [num_steps, elements]: of the values that go in and, being its own adjoint, of
/// the gradient that comes back. In place allowed. T = float: reference::dropout_apply to the last bit;
/// BFloat16: that result rounded. draw.same_mask_each_step counts, that of the size does not; its whole and
/// first do.
template <class T>
void apply_dropout(const Queue& queue, const DropoutSize& size, const DropoutDraw& draw, const T* input,
                   T* output);

}  // namespace spikeloom::kernels::cuda
