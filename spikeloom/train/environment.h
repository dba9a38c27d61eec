#pragma once
#include <string>
#include <utility>
#include <vector>

namespace spikeloom::train {

/// What a result depends on besides the recipe, as (name, value) in a fixed order: spikeloom version,
/// compiler, LibTorch, BLAS, processor, SIMD level, threads, CUDA devices, device in use.
/// `device`: the one that is used, as it is to be shown.
std::vector<std::pair<std::string, std::string>> describe_environment(const std::string& device = "cpu");

/// The same as a JSON object.
std::string environment_json(const std::string& device = "cpu");

/// Gives memory that was freed back to the system: after one-time work of other sizes than a training's
/// steps, such as calibration. Nothing where the C library cannot.
void release_freed_memory();

/// Makes `count` threads the number that kernels, LibTorch and the BLAS use, and flushes denormals on the
/// calling thread. Call once at the start of a program. Throws ConfigError (see base/threads.h).
void configure_threads(int count);

}  // namespace spikeloom::train
