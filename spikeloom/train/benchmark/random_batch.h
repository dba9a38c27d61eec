#pragma once
// Internal to train: batches of random data, for benchmarks.
#include <cstdint>
#include <vector>

#include "spikeloom/train/benchmark/benchmark.h"

namespace spikeloom::train {

/// [T or 1, N, H, W, C]: pixels in [0, 1), or spikes of the request's density.
std::vector<float> random_input(const BenchmarkRequest& request);
/// [N], each in [0, classes).
std::vector<std::int64_t> random_labels(const BenchmarkRequest& request);

}  // namespace spikeloom::train
