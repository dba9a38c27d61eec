#pragma once

namespace spikeloom {

/// Floating-point mode of the calling thread: rounding, traps and denormals (x86: MXCSR; 0 elsewhere).
unsigned float_mode();
/// Sets it, to what float_mode() gave. No effect on other processors than x86.
void set_float_mode(unsigned mode);
/// The mode in which everything is computed: round to nearest, no traps, denormals flushed to zero (as
/// flush_denormals() of threads.h does).
unsigned arithmetic_float_mode();

}  // namespace spikeloom
