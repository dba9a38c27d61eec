#pragma once
#include <ATen/core/Tensor.h>

namespace spikeloom::ops {

struct DropoutOptions {
  double rate = 0.5;                 ///< probability that an element is dropped, in [0, 1)
  bool same_mask_each_step = false;  ///< one mask for all T steps; default: a fresh one each step
  std::uint64_t key = 0;             ///< of the random stream: stream_key(seed, RandomPurpose::kDropout)
  std::uint64_t counter = 0;         ///< which draw: unique for each layer and training iteration
};

/// Inverted dropout from a counter: output = input / (1 - rate) where kept, 0 where dropped.
///
/// input   [T, N, ...] float or double, CPU. The mask follows the elements in memory order, which is left as
/// it is. Saved for backward: nothing (the mask is drawn again from key and counter). Gradient exact. `rate`
/// is rounded to a multiple of 1/65536. Throws ShapeError, DeviceError, ConfigError (rate). Deterministic:
/// the same key, counter, shape and memory order give the same mask for any number of threads. Source:
/// Srivastava et al. 2014; fresh masks each step as in the authors' code of Wu et al. 2019. Registered as
/// spikeloom::dropout.
at::Tensor dropout(const at::Tensor& input, const DropoutOptions& options);

}  // namespace spikeloom::ops
