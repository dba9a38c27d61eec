#pragma once
// The instruction sets that every SIMD file of this folder is compiled for: AVX-512, AVX2 and what the
// compiler may use anyway ("portable"). Include before any Highway header. The levels between differ too
// little from those.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
