#include "spikeloom/kernels/cpu/max_pool.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/spike_bits.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/max_pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_MAX_POOL
#define SPIKELOOM_KERNELS_CPU_MAX_POOL
namespace spikeloom::kernels::cpu {

// A row of windows of one image: what a thread takes at a time.
struct WindowRow {
  PoolSize size;
  std::int64_t image = 0, y = 0;  // y in windows; the last row may be the rest that is dropped

  // Rows of pixels of it.
  std::int64_t first_row() const { return y * size.kernel; }
  std::int64_t rows() const { return std::min(size.kernel, size.height - first_row()); }
  bool is_whole() const { return rows() == size.kernel; }
};

// Rows of windows of an image, the dropped rest included.
inline std::int64_t window_rows(const PoolSize& size) {
  return (size.height + size.kernel - 1) / size.kernel;
}

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Maximum of a window for the lanes at channel c, and which of its pixels has it first.
template <class D, class T, class V = hn::Vec<D>>
HWY_ATTR HWY_INLINE void window_maximum(D d, const PoolSize& size, const T* window, V& best, V& first) {
  best = load_lanes(d, window);
  first = hn::Zero(d);
  for (std::int64_t q = 1; q < size.kernel * size.kernel; ++q) {
    const std::int64_t pixel = q / size.kernel * size.width + q % size.kernel;
    const auto value = load_lanes(d, window + pixel * size.channels);
    const auto is_nan = hn::AndNot(hn::IsNaN(best), hn::IsNaN(value));
    const auto larger = hn::Or(hn::Gt(value, best), is_nan);
    best = hn::IfThenElse(larger, value, best);
    first = hn::IfThenElse(larger, hn::Set(d, static_cast<float>(q)), first);
  }
}

template <class D, class T>
HWY_ATTR HWY_INLINE void pool_channels(D d, const PoolSize& size, const T* window, std::int64_t begin,
                                       std::int64_t end, T* output) {
  for (std::int64_t c = begin; c < end; c += static_cast<std::int64_t>(hn::Lanes(d))) {
    auto best = hn::Zero(d), first = best;
    window_maximum(d, size, window + c, best, first);
    store_lanes(d, best, output + c);
  }
}

template <class T>
HWY_ATTR void pool_windows(const WindowRow& row, const T* input, T* output) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const PoolSize& size = row.size;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = size.channels / lanes * lanes;
  const T* in = input + (row.image * size.height + row.first_row()) * size.width * size.channels;
  T* out = output + (row.image * size.output_height() + row.y) * size.output_width() * size.channels;
  for (std::int64_t x = 0; x < size.output_width(); ++x) {
    pool_channels(d, size, in, 0, whole, out);
    pool_channels(single, size, in, whole, size.channels, out);
    in += size.kernel * size.channels;
    out += size.channels;
  }
}

template <class D, class T>
HWY_ATTR HWY_INLINE void unpool_channels(D d, const PoolSize& size, const T* gradient, const T* window,
                                         std::int64_t begin, std::int64_t end, T* to) {
  for (std::int64_t c = begin; c < end; c += static_cast<std::int64_t>(hn::Lanes(d))) {
    auto best = hn::Zero(d), first = best;
    window_maximum(d, size, window + c, best, first);
    const auto own = load_lanes(d, gradient + c);
    for (std::int64_t q = 0; q < size.kernel * size.kernel; ++q) {
      const std::int64_t pixel = q / size.kernel * size.width + q % size.kernel;
      const auto is_first = hn::Eq(first, hn::Set(d, static_cast<float>(q)));
      store_lanes(d, hn::IfThenElseZero(is_first, own), to + pixel * size.channels + c);
    }
  }
}

// 0 for the pixels of the row that no window covers.
template <class T>
void clear_rest(const WindowRow& row, T* grad_input) {
  const PoolSize& size = row.size;
  const std::int64_t covered = row.is_whole() ? size.output_width() * size.kernel : 0;
  for (std::int64_t dy = 0; dy < row.rows(); ++dy) {
    T* to = grad_input + (row.image * size.height + row.first_row() + dy) * size.width * size.channels;
    std::fill(to + covered * size.channels, to + size.width * size.channels, T{});
  }
}

template <class T>
HWY_ATTR void unpool_windows(const WindowRow& row, const T* grad_output, const T* input, T* grad_input) {
  clear_rest(row, grad_input);
  if (!row.is_whole()) return;
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const PoolSize& size = row.size;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = size.channels / lanes * lanes;
  const std::int64_t at = (row.image * size.height + row.first_row()) * size.width * size.channels;
  const T* gradient =
      grad_output + (row.image * size.output_height() + row.y) * size.output_width() * size.channels;
  for (std::int64_t x = 0; x < size.output_width(); ++x) {
    const std::int64_t window = at + x * size.kernel * size.channels;
    unpool_channels(d, size, gradient, input + window, 0, whole, grad_input + window);
    unpool_channels(single, size, gradient, input + window, whole, size.channels, grad_input + window);
    gradient += size.channels;
  }
}

// Up to 64 values: the gradient where the bit is set, else 0.
template <class T>
HWY_ATTR HWY_INLINE void store_where(std::uint64_t bits, const T* gradient, std::int64_t count, T* to) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const std::uint64_t shifted = bits >> i;
    std::uint8_t bytes[8];
    std::memcpy(bytes, &shifted, sizeof bytes);
    store_lanes(d, hn::IfThenElseZero(hn::LoadMaskBits(d, bytes), load_lanes(d, gradient + i)), to + i);
  }
  for (; i < count; ++i) to[i] = (bits >> i & 1u) != 0 ? gradient[i] : T{};
}

// The row of a step whose spikes are `spikes`, `bytes` of them; grad_pooled and grad_spikes of all steps.
// row.image counts steps and samples, `sample` those of the step only.
template <class T>
HWY_ATTR void unpool_spikes(const WindowRow& row, std::int64_t sample, const T* grad_pooled,
                            const std::uint8_t* spikes, std::int64_t bytes, T* grad_spikes) {
  clear_rest(row, grad_spikes);
  if (!row.is_whole()) return;
  const PoolSize& size = row.size;
  const std::int64_t k = size.kernel, channels = size.channels;
  const T* gradient =
      grad_pooled + (row.image * size.output_height() + row.y) * size.output_width() * channels;
  T* to = grad_spikes + (row.image * size.height + row.first_row()) * size.width * channels;
  const std::int64_t first_bit = (sample * size.height + row.first_row()) * size.width * channels;
  for (std::int64_t x = 0; x < size.output_width(); ++x) {
    for (std::int64_t c = 0; c < channels; c += 64) {
      const std::int64_t count = HWY_MIN(std::int64_t{64}, channels - c);
      const std::int64_t corner = x * k * channels + c;
      std::uint64_t any = 0;
      for (std::int64_t q = 0; q < k * k; ++q) {
        const std::int64_t at = corner + (q / k * size.width + q % k) * channels;
        any |= load_bits(spikes, bytes, first_bit + at, count);
      }
      std::uint64_t left = ~std::uint64_t{0};
      for (std::int64_t q = 0; q < k * k; ++q) {
        const std::int64_t at = corner + (q / k * size.width + q % k) * channels;
        std::uint64_t own = load_bits(spikes, bytes, first_bit + at, count);
        if (q == 0) own |= ~any;
        store_where(own & left, gradient + c, count, to + at);
        left &= ~own;
      }
    }
    gradient += channels;
  }
}

void pool_float(const WindowRow& row, const float* input, float* output) { pool_windows(row, input, output); }
void pool_bfloat16(const WindowRow& row, const BFloat16* input, BFloat16* output) {
  pool_windows(row, input, output);
}
void unpool_float(const WindowRow& row, const float* grad_output, const float* input, float* grad_input) {
  unpool_windows(row, grad_output, input, grad_input);
}
void unpool_bfloat16(const WindowRow& row, const BFloat16* grad_output, const BFloat16* input,
                     BFloat16* grad_input) {
  unpool_windows(row, grad_output, input, grad_input);
}
void unpool_spikes_float(const WindowRow& row, std::int64_t sample, const float* grad_pooled,
                         const std::uint8_t* spikes, std::int64_t bytes, float* grad_spikes) {
  unpool_spikes(row, sample, grad_pooled, spikes, bytes, grad_spikes);
}
void unpool_spikes_bfloat16(const WindowRow& row, std::int64_t sample, const BFloat16* grad_pooled,
                            const std::uint8_t* spikes, std::int64_t bytes, BFloat16* grad_spikes) {
  unpool_spikes(row, sample, grad_pooled, spikes, bytes, grad_spikes);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(pool_float);
HWY_EXPORT(pool_bfloat16);
HWY_EXPORT(unpool_float);
HWY_EXPORT(unpool_bfloat16);
HWY_EXPORT(unpool_spikes_float);
HWY_EXPORT(unpool_spikes_bfloat16);

// Calls function(WindowRow) for `rows` rows of windows of each image.
template <class Function>
void for_each_row(const PoolSize& size, std::int64_t rows, const Function& function) {
  const std::int64_t row_work = size.kernel * size.width * size.channels;
  const std::int64_t total = row_work > 0 ? size.images * rows : 0;
  for_each_block(make_blocks(total, 1), total * row_work,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) function(WindowRow{size, i / rows, i % rows});
                 });
}

// The word of 64 pooled neurons that begins at `first` of one step; bits behind the last neuron are 0.
std::uint64_t pooled_word(const PackedImages& images, const PackedImages& out, std::int64_t factor,
                          const std::uint8_t* spikes, std::int64_t bytes, std::int64_t first) {
  const std::int64_t channels = out.channels, count = std::min<std::int64_t>(64, out.neurons() - first);
  std::int64_t pixel = first / channels, c = first % channels;
  std::uint64_t word = 0;
  for (std::int64_t done = 0; done < count; ++pixel, c = 0) {
    const std::int64_t length = std::min(channels - c, count - done);
    const std::int64_t x = pixel % out.width, row = pixel / out.width;
    const std::int64_t y = row % out.height, n = row / out.height;
    const std::int64_t corner = (n * images.height + y * factor) * images.width + x * factor;
    std::uint64_t any = 0;
    for (std::int64_t dy = 0; dy < factor; ++dy) {
      for (std::int64_t dx = 0; dx < factor; ++dx) {
        any |= load_bits(spikes, bytes, (corner + dy * images.width + dx) * channels + c, length);
      }
    }
    word |= any << done;
    done += length;
  }
  return word;
}

}  // namespace

void max_pool_spikes(const PackedImages& images, std::int64_t factor, const std::uint8_t* spikes,
                     std::uint8_t* pooled) {
  const PackedImages out = max_pooled(images, factor);
  const std::int64_t bytes = packed_bytes(images.neurons()), words = packed_bytes(out.neurons()) / 8;
  const std::int64_t total = images.num_steps * words;
  for_each_block(make_blocks(total, 1), total * 64, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t word =
          pooled_word(images, out, factor, spikes + i / words * bytes, bytes, i % words * 64);
      std::memcpy(pooled + i * 8, &word, sizeof word);
    }
  });
}

template <class T>
void max_pool_spikes_backward(const PackedImages& images, std::int64_t factor, const T* grad_pooled,
                              const std::uint8_t* spikes, T* grad_spikes) {
  simd_level();
  const PoolSize size{images.num_steps * images.batch, images.height, images.width, images.channels, factor};
  const std::int64_t bytes = packed_bytes(images.neurons());
  for_each_row(size, window_rows(size), [&](const WindowRow& row) {
    const std::uint8_t* step = spikes + row.image / images.batch * bytes;
    const std::int64_t sample = row.image % images.batch;
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(unpool_spikes_float)(row, sample, grad_pooled, step, bytes, grad_spikes);
    } else {
      HWY_DYNAMIC_DISPATCH(unpool_spikes_bfloat16)(row, sample, grad_pooled, step, bytes, grad_spikes);
    }
  });
}

template <class T>
void max_pool_forward(const PoolSize& size, const T* input, T* output) {
  simd_level();
  for_each_row(size, size.output_height(), [&](const WindowRow& row) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(pool_float)(row, input, output);
    } else {
      HWY_DYNAMIC_DISPATCH(pool_bfloat16)(row, input, output);
    }
  });
}

template <class T>
void max_pool_backward(const PoolSize& size, const T* grad_output, const T* input, T* grad_input) {
  simd_level();
  for_each_row(size, window_rows(size), [&](const WindowRow& row) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(unpool_float)(row, grad_output, input, grad_input);
    } else {
      HWY_DYNAMIC_DISPATCH(unpool_bfloat16)(row, grad_output, input, grad_input);
    }
  });
}

template void max_pool_spikes_backward(const PackedImages&, std::int64_t, const float*, const std::uint8_t*,
                                       float*);
template void max_pool_spikes_backward(const PackedImages&, std::int64_t, const BFloat16*,
                                       const std::uint8_t*, BFloat16*);
template void max_pool_forward(const PoolSize&, const float*, float*);
template void max_pool_forward(const PoolSize&, const BFloat16*, BFloat16*);
template void max_pool_backward(const PoolSize&, const float*, const float*, float*);
template void max_pool_backward(const PoolSize&, const BFloat16*, const BFloat16*, BFloat16*);

}  // namespace spikeloom::kernels::cpu
#endif
