#pragma once
// Made-up batches for benchmarks. Internal to train.
#include <ATen/core/Tensor.h>

#include "spikeloom/train/benchmark.h"

namespace spikeloom::train {

/// [1, N, C, H, W] uniform in [0, 1) for a still image, else spikes [T, N, C, H, W]; channels last.
at::Tensor random_input(const BenchmarkRequest& request);
/// [N] int64.
at::Tensor random_labels(const BenchmarkRequest& request);

}  // namespace spikeloom::train
