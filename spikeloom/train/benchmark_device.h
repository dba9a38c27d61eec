#pragma once
// Internal to train: benchmark_step on a device.
#include <c10/core/Device.h>

#include <algorithm>
#include <vector>

#include "spikeloom/train/benchmark.h"

namespace spikeloom::train {

/// The device is waited for before and after each timed step. Layers are timed in steps of their own, each
/// waited for.
BenchmarkResult benchmark_on_device(const BenchmarkRequest& request, const at::Device& device);

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace spikeloom::train
