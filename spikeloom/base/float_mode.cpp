#include "spikeloom/base/float_mode.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace spikeloom {
namespace {

constexpr unsigned kDefault = 0x1f80;         // as a process starts: round to nearest, no traps
constexpr unsigned kFlushDenormals = 0x8040;  // FTZ, DAZ

}  // namespace

unsigned float_mode() {
#if defined(__SSE2__)
  return _mm_getcsr();
#else
  return 0;
#endif
}

void set_float_mode([[maybe_unused]] unsigned mode) {
#if defined(__SSE2__)
  _mm_setcsr(mode);
#endif
}

unsigned arithmetic_float_mode() { return kDefault | kFlushDenormals; }

}  // namespace spikeloom
