#include "spikeloom/kernels/cpu/window_codes.h"

#include <cstring>
#include <string_view>

#include "spikeloom/kernels/cpu/simd_level.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define SPIKELOOM_COMPRESS __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt")))
#endif

namespace spikeloom::kernels::cpu {
namespace {

std::uint64_t word_at(const std::uint8_t* bits, std::int64_t word) {
  std::uint64_t value;
  std::memcpy(&value, bits + word * 8, sizeof value);
  return value;
}

std::int64_t count_bits(std::int64_t words, const std::uint8_t* bits) {
  std::int64_t count = 0;
  for (std::int64_t w = 0; w < words; ++w) count += __builtin_popcountll(word_at(bits, w));
  return count;
}

#if defined(SPIKELOOM_COMPRESS)

bool has_compress() {
  return std::string_view(simd_level()) == "avx512" && __builtin_cpu_supports("avx512vbmi2") != 0;
}

SPIKELOOM_COMPRESS std::int64_t pack_words(std::int64_t words, const std::uint8_t* codes,
                                           const std::uint8_t* open, std::uint8_t* packed) {
  std::int64_t count = 0;
  for (std::int64_t w = 0; w < words; ++w) {
    const std::uint64_t mask = word_at(open, w);
    _mm512_storeu_si512(packed + count, _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(codes + w * 64)));
    count += _mm_popcnt_u64(mask);
  }
  return count;
}

SPIKELOOM_COMPRESS std::int64_t unpack_words(std::int64_t words, const std::uint8_t* packed_end,
                                             const std::uint8_t* open, std::uint8_t* codes) {
  std::int64_t count = 0;
  for (std::int64_t w = words; w-- > 0;) {
    const std::uint64_t mask = word_at(open, w);
    const auto here = static_cast<unsigned>(_mm_popcnt_u64(mask));
    count += here;
    // Nothing behind the last code is touched.
    const std::uint64_t first = here == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << here) - 1;
    const __m512i values = _mm512_maskz_loadu_epi8(first, packed_end - count);
    _mm512_storeu_si512(codes + w * 64, _mm512_maskz_expand_epi8(mask, values));
  }
  return count;
}

#else

bool has_compress() { return false; }
std::int64_t pack_words(std::int64_t, const std::uint8_t*, const std::uint8_t*, std::uint8_t*) { return 0; }
std::int64_t unpack_words(std::int64_t, const std::uint8_t*, const std::uint8_t*, std::uint8_t*) { return 0; }

#endif

}  // namespace

std::int64_t pack_codes(std::int64_t neurons, const std::uint8_t* codes, const std::uint8_t* open,
                        std::uint8_t* packed) {
  if (has_compress()) return pack_words(neurons / 64, codes, open, packed);
  const std::uint8_t* const begin = packed;
  for (std::int64_t w = 0; w < neurons / 64; ++w) {
    for (std::uint64_t bits = word_at(open, w); bits != 0; bits &= bits - 1) {
      *packed++ = codes[w * 64 + __builtin_ctzll(bits)];
    }
  }
  return packed - begin;
}

std::int64_t unpack_codes(std::int64_t neurons, const std::uint8_t* packed_end, const std::uint8_t* open,
                          std::uint8_t* codes) {
  if (has_compress()) return unpack_words(neurons / 64, packed_end, open, codes);
  const std::int64_t count = count_bits(neurons / 64, open);
  const std::uint8_t* packed = packed_end - count;
  std::memset(codes, 0, static_cast<std::size_t>(neurons));
  for (std::int64_t w = 0; w < neurons / 64; ++w) {
    for (std::uint64_t bits = word_at(open, w); bits != 0; bits &= bits - 1) {
      codes[w * 64 + __builtin_ctzll(bits)] = *packed++;
    }
  }
  return count;
}

}  // namespace spikeloom::kernels::cpu
