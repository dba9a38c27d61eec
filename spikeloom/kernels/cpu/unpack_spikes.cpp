#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/compact_lif.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/unpack_spikes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The channels of one pooled pixel; its first spike in memory is neuron `first`.
template <class T>
HWY_ATTR HWY_INLINE void unpack_pixel(const PackedImages& images, const std::uint8_t* spikes,
                                      std::int64_t first, T* values) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t k = images.pool, channels = images.channels;
  const float scale_value = 1.0f / static_cast<float>(k * k);
  const auto scale = hn::Set(d, scale_value);
  std::int64_t c = 0;
  // Bits of a vector begin at a byte.
  if (channels % 8 == 0 && lanes % 8 == 0) {
    for (; c + lanes <= channels; c += lanes) {
      auto sum = hn::Zero(d);
      for (std::int64_t dy = 0; dy < k; ++dy) {
        for (std::int64_t dx = 0; dx < k; ++dx) {
          const std::int64_t at = first + (dy * images.width + dx) * channels + c;
          sum = hn::Add(sum, hn::IfThenElseZero(hn::LoadMaskBits(d, spikes + at / 8), scale));
        }
      }
      store_lanes(d, sum, values + c);
    }
  }
  for (; c < channels; ++c) {
    int sum = 0;
    for (std::int64_t dy = 0; dy < k; ++dy) {
      for (std::int64_t dx = 0; dx < k; ++dx) {
        sum += get_bit(spikes, first + (dy * images.width + dx) * channels + c) ? 1 : 0;
      }
    }
    values[c] = from_float<T>(static_cast<float>(sum) * scale_value);
  }
}

// Rows [begin, end) of pooled pixels, counted over steps, samples and height.
template <class T>
HWY_ATTR void unpack_rows(const PackedImages& images, const std::uint8_t* spikes, T* values,
                          std::int64_t begin, std::int64_t end) {
  const std::int64_t stride = packed_bytes(images.neurons());
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t y = row % images.pooled_height(), image = row / images.pooled_height();
    const std::int64_t n = image % images.batch, t = image / images.batch;
    for (std::int64_t x = 0; x < images.pooled_width(); ++x) {
      const std::int64_t pixel = (n * images.height + y * images.pool) * images.width + x * images.pool;
      unpack_pixel(images, spikes + t * stride, pixel * images.channels,
                   values + (row * images.pooled_width() + x) * images.channels);
    }
  }
}

void unpack_float(const PackedImages& images, const std::uint8_t* spikes, float* values, std::int64_t begin,
                  std::int64_t end) {
  unpack_rows(images, spikes, values, begin, end);
}

void unpack_bfloat16(const PackedImages& images, const std::uint8_t* spikes, BFloat16* values,
                     std::int64_t begin, std::int64_t end) {
  unpack_rows(images, spikes, values, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(unpack_float);
HWY_EXPORT(unpack_bfloat16);

}  // namespace

template <class T>
void unpack_spikes(const PackedImages& images, const std::uint8_t* spikes, T* values) {
  simd_level();
  const std::int64_t rows = images.num_steps * images.batch * images.pooled_height();
  for_each_block(make_blocks(rows, 1), images.num_steps * images.neurons(),
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   if constexpr (std::is_same_v<T, float>) {
                     HWY_DYNAMIC_DISPATCH(unpack_float)(images, spikes, values, begin, end);
                   } else {
                     HWY_DYNAMIC_DISPATCH(unpack_bfloat16)(images, spikes, values, begin, end);
                   }
                 });
}

template void unpack_spikes(const PackedImages&, const std::uint8_t*, float*);
template void unpack_spikes(const PackedImages&, const std::uint8_t*, BFloat16*);

}  // namespace spikeloom::kernels::cpu
#endif
