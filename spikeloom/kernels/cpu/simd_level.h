#pragma once
#include <string>
#include <vector>

namespace spikeloom::kernels::cpu {

/// The instruction set the kernels use, chosen once a process: "avx512", "avx2" or "portable", the best that
/// this machine has. The environment variable SPIKELOOM_SIMD (one of these names), read at the first use,
/// forces it down. Throws ConfigError if that names another or one that this machine lacks.
const char* simd_level();

/// The levels that this build has and this machine can run, best first.
std::vector<std::string> available_simd_levels();

/// Chooses a level by name for all kernels from now on; not while a kernel runs in another thread.
/// Throws ConfigError unless it is one of available_simd_levels().
void set_simd_level(const std::string& name);

/// Whether this processor multiplies bfloat16 faster than float (AVX512-BF16).
bool has_fast_bfloat16();

}  // namespace spikeloom::kernels::cpu
