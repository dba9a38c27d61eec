#pragma once
#include <string>

#include "spikeloom/train/benchmark/benchmark.h"

namespace spikeloom::train {

/// Trains the request's network for request.iterations steps (SGD with momentum) on its random batch, and
/// gives the MD5 sum, 32 hexadecimal digits, of every loss, every count of spikes and every bit of every
/// parameter. Paths are chosen by fixed densities, nothing is timed: on one machine, with one build and
/// number of threads, the same request has the same signature. Other processors or versions of LibTorch round
/// differently. Throws ConfigError, ShapeError.
std::string training_signature(const BenchmarkRequest& request);

}  // namespace spikeloom::train
