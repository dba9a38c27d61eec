#pragma once
// Internal to train: a benchmark's steps as a profile, with the batches read by a loader.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/train/benchmark/benchmark.h"
#include "spikeloom/train/network/network.h"
#include "spikeloom/train/steps/step_runner.h"

namespace spikeloom::train {

/// Runs request.iterations more steps (of `runner`, or forward passes if it is nullptr) on batches that a
/// loader with one thread makes of `inputs` and `labels` (random_batch.h), each stage waited for. Returns
/// Chrome trace JSON: on the thread "network" each "step" with the laps of engine::Timeline in it, which add
/// up to it, and "wait for batch" before it; on "loader" the samples that are read; counters of bytes kept
/// for backward and of batches read ahead.
std::string trace_steps(const BenchmarkRequest& request, Network& network, StepRunner* runner,
                        const std::vector<float>& inputs, const std::vector<std::int64_t>& labels);

}  // namespace spikeloom::train
