#include "spikeloom/kernels/cpu/avg_pool.h"

#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/avg_pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One output position: the sum over its window, row by row, times the scale, for channels [begin, end).
template <class D, class T = hn::TFromD<D>>
HWY_ATTR HWY_INLINE void pool_channels(D d, const PoolSize& size, T scale, std::int64_t begin,
                                       std::int64_t end, const T* window, T* output) {
  for (std::int64_t c = begin; c < end; c += static_cast<std::int64_t>(hn::Lanes(d))) {
    auto sum = hn::Zero(d);
    for (std::int64_t dy = 0; dy < size.kernel; ++dy) {
      const T* row = window + dy * size.width * size.channels + c;
      for (std::int64_t dx = 0; dx < size.kernel; ++dx)
        sum = hn::Add(sum, hn::LoadU(d, row + dx * size.channels));
    }
    hn::StoreU(hn::Mul(sum, hn::Set(d, scale)), d, output + c);
  }
}

// Rows [begin, end) of the output, counted over all images.
template <class T>
HWY_ATTR void pool_rows(const PoolSize& size, const T* input, T* output, std::int64_t begin,
                        std::int64_t end) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = size.channels / lanes * lanes;
  const T scale = T(1) / static_cast<T>(size.kernel * size.kernel);
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / size.output_height();
    const std::int64_t y = row % size.output_height() * size.kernel;
    const T* in = input + (image * size.height + y) * size.width * size.channels;
    T* out = output + row * size.output_width() * size.channels;
    for (std::int64_t column = 0; column < size.output_width(); ++column) {
      pool_channels(d, size, scale, 0, whole, in, out);
      pool_channels(single, size, scale, whole, size.channels, in, out);
      in += size.kernel * size.channels;
      out += size.channels;
    }
  }
}

template <class D, class T = hn::TFromD<D>>
HWY_ATTR HWY_INLINE void scale_values(D d, T scale, std::int64_t begin, std::int64_t end, const T* from,
                                      T* to) {
  for (std::int64_t i = begin; i < end; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    hn::StoreU(hn::Mul(hn::LoadU(d, from + i), hn::Set(d, scale)), d, to + i);
  }
}

// Rows [begin, end) of the input, counted over all images.
template <class T>
HWY_ATTR void unpool_rows(const PoolSize& size, const T* grad_output, T* grad_input, std::int64_t begin,
                          std::int64_t end) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = size.channels / lanes * lanes;
  const T scale = T(1) / static_cast<T>(size.kernel * size.kernel);
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / size.height;
    const std::int64_t from = row % size.height / size.kernel;
    T* out = grad_input + row * size.width * size.channels;
    T* const out_end = out + size.width * size.channels;
    if (from < size.output_height()) {
      const T* in = grad_output + (image * size.output_height() + from) * size.output_width() * size.channels;
      for (std::int64_t column = 0; column < size.output_width(); ++column, in += size.channels) {
        for (std::int64_t dx = 0; dx < size.kernel; ++dx, out += size.channels) {
          scale_values(d, scale, 0, whole, in, out);
          scale_values(single, scale, whole, size.channels, in, out);
        }
      }
    }
    for (; out < out_end; ++out) *out = T(0);
  }
}

void pool_float(const PoolSize& size, const float* input, float* output, std::int64_t begin,
                std::int64_t end) {
  pool_rows(size, input, output, begin, end);
}

void pool_double(const PoolSize& size, const double* input, double* output, std::int64_t begin,
                 std::int64_t end) {
  pool_rows(size, input, output, begin, end);
}

void unpool_float(const PoolSize& size, const float* grad_output, float* grad_input, std::int64_t begin,
                  std::int64_t end) {
  unpool_rows(size, grad_output, grad_input, begin, end);
}

void unpool_double(const PoolSize& size, const double* grad_output, double* grad_input, std::int64_t begin,
                   std::int64_t end) {
  unpool_rows(size, grad_output, grad_input, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(pool_float);
HWY_EXPORT(pool_double);
HWY_EXPORT(unpool_float);
HWY_EXPORT(unpool_double);

}  // namespace

template <class T>
void avg_pool_forward(const PoolSize& size, const T* input, T* output) {
  simd_level();
  const std::int64_t row_work = size.kernel * size.width * size.channels;
  const std::int64_t rows = row_work > 0 ? size.images * size.output_height() : 0;
  const auto run = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(pool_float)(size, input, output, begin, end);
    } else {
      HWY_DYNAMIC_DISPATCH(pool_double)(size, input, output, begin, end);
    }
  };
  for_each_block(make_blocks(rows, 1), rows * row_work, run);
}

template <class T>
void avg_pool_backward(const PoolSize& size, const T* grad_output, T* grad_input) {
  simd_level();
  const std::int64_t rows = size.width * size.channels > 0 ? size.images * size.height : 0;
  const auto run = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(unpool_float)(size, grad_output, grad_input, begin, end);
    } else {
      HWY_DYNAMIC_DISPATCH(unpool_double)(size, grad_output, grad_input, begin, end);
    }
  };
  for_each_block(make_blocks(rows, 1), rows * size.width * size.channels, run);
}

template void avg_pool_forward(const PoolSize&, const float*, float*);
template void avg_pool_forward(const PoolSize&, const double*, double*);
template void avg_pool_backward(const PoolSize&, const float*, float*);
template void avg_pool_backward(const PoolSize&, const double*, double*);

}  // namespace spikeloom::kernels::cpu
#endif
