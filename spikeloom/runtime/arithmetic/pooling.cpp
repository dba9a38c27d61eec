#include "spikeloom/runtime/arithmetic/pooling.h"

#include <algorithm>
#include <cstring>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_bits.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/runtime/arithmetic/pooling.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::runtime {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kWord = 64;  // channels

// Calls use(channels of a word, place of its pooled values, place of its first spikes of the window).
template <class Use>
HWY_ATTR HWY_INLINE void for_each_word(const model::Shape& shape, std::int64_t k, const Use& use) {
  std::int64_t to = 0;
  for (std::int64_t y = 0; y < shape.height / k; ++y) {
    for (std::int64_t x = 0; x < shape.width / k; ++x, to += shape.channels) {
      const std::int64_t from = (y * k * shape.width + x * k) * shape.channels;
      for (std::int64_t c = 0; c < shape.channels; c += kWord) {
        use(std::min(kWord, shape.channels - c), to + c, from + c);
      }
    }
  }
}

// The counts, of which planes[p] has digit p, times factor: to [count], count <= 64.
HWY_ATTR HWY_INLINE void write_counts(const std::uint64_t* planes, int num_planes, float factor,
                                      std::int64_t count, float* to) {
  const hn::CappedTag<float, 64> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    auto sum = hn::Zero(d);
    for (int p = 0; p < num_planes; ++p) {
      const std::uint64_t bits = planes[p] >> i;
      std::uint8_t bytes[8];
      std::memcpy(bytes, &bits, sizeof bytes);
      const auto digit = hn::Set(d, static_cast<float>(std::int64_t{1} << p));
      sum = hn::Add(sum, hn::IfThenElseZero(hn::LoadMaskBits(d, bytes), digit));
    }
    hn::StoreU(hn::Mul(sum, hn::Set(d, factor)), d, to + i);
  }
  for (; i < count; ++i) {
    std::int64_t sum = 0;
    for (int p = 0; p < num_planes; ++p) sum += static_cast<std::int64_t>(planes[p] >> i & 1) << p;
    to[i] = static_cast<float>(sum) * factor;
  }
}

HWY_ATTR void spikes_as_values(const std::uint8_t* spikes, std::int64_t count, float* to) {
  const std::int64_t bytes = kernels::packed_bytes(count);
  for (std::int64_t at = 0; at < count; at += kWord) {
    const std::int64_t some = std::min(kWord, count - at);
    const std::uint64_t word = kernels::cpu::load_bits(spikes, bytes, at, some);
    write_counts(&word, 1, 1.0f, some, to + at);
  }
}

HWY_ATTR void average_spikes(const model::Shape& shape, std::int64_t k, const std::uint8_t* spikes,
                             float* to) {
  const std::int64_t bytes = packed_bytes(shape);
  const int num_planes = kernels::cpu::count_planes(k);
  const float factor = 1.0f / static_cast<float>(k * k);
  for_each_word(shape, k, [&](std::int64_t count, std::int64_t pooled_at, std::int64_t from) HWY_ATTR {
    std::uint64_t planes[64];
    std::fill_n(planes, num_planes, 0);
    for (std::int64_t y = 0; y < k; ++y) {
      for (std::int64_t x = 0; x < k; ++x) {
        const std::int64_t at = from + (y * shape.width + x) * shape.channels;
        kernels::cpu::add_bits(kernels::cpu::load_bits(spikes, bytes, at, count), num_planes, 1, planes);
      }
    }
    write_counts(planes, num_planes, factor, count, to + pooled_at);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::runtime
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::runtime {
namespace {

HWY_EXPORT(spikes_as_values);
HWY_EXPORT(average_spikes);

// Of spikes that are 0.
void write_bits(std::uint64_t word, std::int64_t at, std::int64_t count, std::uint8_t* spikes) {
  std::uint8_t* const to = spikes + at / 8;
  const std::int64_t shift = at % 8, bytes = (shift + count + 7) / 8;
  const std::uint64_t low = word << shift;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(bytes, 8); ++i) {
    to[i] = static_cast<std::uint8_t>(to[i] | (low >> (8 * i) & 0xff));
  }
  if (bytes > 8) to[8] = static_cast<std::uint8_t>(to[8] | word >> (64 - shift));
}

}  // namespace

model::Shape pooled(const model::Shape& shape, const model::Pool& pool) {
  if (pool.kind == model::Pool::kNone) return shape;
  return {shape.channels, shape.height / pool.factor, shape.width / pool.factor};
}

std::int64_t packed_bytes(const model::Shape& shape) { return kernels::packed_bytes(shape.size()); }

void pool_values(const model::Shape& shape, const model::Pool& pool, const float* from, bool add, float* to) {
  const model::Shape small = pooled(shape, pool);
  const std::int64_t k = pool.kind == model::Pool::kNone ? 1 : pool.factor, channels = shape.channels;
  const float scale = 1.0f / static_cast<float>(k * k);
  const bool largest = pool.kind == model::Pool::kMax;
  constexpr std::int64_t kBlock = 64;  // channels whose values lie beside one another in the loops below
  for (std::int64_t y = 0; y < small.height; ++y) {
    for (std::int64_t x = 0; x < small.width; ++x, to += channels) {
      for (std::int64_t first = 0; first < channels; first += kBlock) {
        const std::int64_t count = std::min(kBlock, channels - first);
        float values[kBlock];
        for (std::int64_t i = 0; i < k * k; ++i) {
          const float* const other =
              from + ((y * k + i / k) * shape.width + x * k + i % k) * channels + first;
          if (i == 0) {
            std::copy_n(other, count, values);
          } else if (largest) {
            for (std::int64_t c = 0; c < count; ++c) values[c] = std::max(values[c], other[c]);
          } else {
            for (std::int64_t c = 0; c < count; ++c) values[c] += other[c];
          }
        }
        const float factor = largest ? 1.0f : scale;
        for (std::int64_t c = 0; c < count; ++c) {
          const float value = values[c] * factor;
          to[first + c] = add ? to[first + c] + value : value;
        }
      }
    }
  }
}

void pool_spikes(const model::Shape& shape, const model::Pool& pool, const std::uint8_t* spikes,
                 std::uint8_t* any, float* to) {
  kernels::cpu::simd_level();
  switch (pool.kind) {
    case model::Pool::kNone:
      HWY_DYNAMIC_DISPATCH(spikes_as_values)(spikes, shape.size(), to);
      return;
    case model::Pool::kAverage:
      HWY_DYNAMIC_DISPATCH(average_spikes)(shape, pool.factor, spikes, to);
      return;
    case model::Pool::kMax:
      any_of_windows(shape, pool.factor, spikes, any);
      HWY_DYNAMIC_DISPATCH(spikes_as_values)(any, pooled(shape, pool).size(), to);
      return;
  }
}

void any_of_windows(const model::Shape& shape, std::int64_t factor, const std::uint8_t* spikes,
                    std::uint8_t* to) {
  const std::int64_t bytes = packed_bytes(shape), height = shape.height / factor;
  const std::int64_t width = shape.width / factor, channels = shape.channels;
  std::fill_n(to, kernels::packed_bytes(height * width * channels), std::uint8_t{0});
  for (std::int64_t p = 0; p < height * width; ++p) {
    const std::int64_t first = (p / width * shape.width + p % width) * factor * channels;
    for (std::int64_t c = 0; c < channels; c += 64) {
      const std::int64_t count = std::min<std::int64_t>(64, channels - c);
      std::uint64_t word = 0;
      for (std::int64_t i = 0; i < factor * factor; ++i) {
        const std::int64_t at = first + (i / factor * shape.width + i % factor) * channels + c;
        word |= kernels::cpu::load_bits(spikes, bytes, at, count);
      }
      write_bits(word, p * channels + c, count, to);
    }
  }
}

}  // namespace spikeloom::runtime
#endif
