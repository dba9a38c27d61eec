#pragma once

namespace spikeloom {

/// Number of threads that kernels and LibTorch use. Default: SPIKELOOM_NUM_THREADS if set, else
/// the processors this process may run on. Same thread count + same seed -> same bits.
int num_threads();

/// Sets it. Throws ConfigError unless 1 <= count <= 1024.
void set_num_threads(int count);

/// Flushes denormal floats to zero on the calling thread (x86: FTZ and DAZ): a decaying membrane potential
/// otherwise ends in denormals, which are many times slower. No effect on other processors.
void flush_denormals();

}  // namespace spikeloom
