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

/// Opens an ArithmeticScope (arithmetic_scope.h) that stays open, on the calling thread: for the start of a
/// program. Throws ConfigError unless 1 <= count <= 1024.
void configure_threads(int count);

}  // namespace spikeloom::train
