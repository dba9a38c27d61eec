#include "spikeloom/kernels/cpu/batch_norm.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/batch_norm.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/batch_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include "spikeloom/kernels/cpu/float_lanes-inl.h"
// clang-format on

#ifndef SPIKELOOM_KERNELS_CPU_BATCH_NORM
#define SPIKELOOM_KERNELS_CPU_BATCH_NORM
namespace spikeloom::kernels::cpu {

// Sums of u and u * v over rows [begin, end), u = first - origin (origin nullptr: 0), v = second - center, or
// u itself without `second`. To sums [2, channels].
template <class T>
struct SumArguments {
  std::int64_t channels;
  const T* first;
  const T* origin;
  const T* second;
  const float* center;
};

// Coefficients of a row of channels: y = (x - mean) * a + b, or a * gradient - (b + (x - mean) * c).
struct RowCoefficients {
  const float* mean;
  const float* a;
  const float* b;
  const float* c;
};

}  // namespace spikeloom::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The lanes of channels at c over all rows: sums stay in registers.
template <class DD, class T>
HWY_ATTR HWY_INLINE void sum_channels(DD dd, const SumArguments<T>& arguments, std::int64_t c,
                                      std::int64_t begin, std::int64_t end, double* sums) {
  const hn::Rebind<float, DD> d;
  auto origin = hn::Zero(dd), center = origin, sum = origin, product_sum = origin;
  if (arguments.origin != nullptr) origin = hn::PromoteTo(dd, load_lanes(d, arguments.origin + c));
  if (arguments.center != nullptr) center = hn::PromoteTo(dd, hn::LoadU(d, arguments.center + c));
  for (std::int64_t r = begin; r < end; ++r) {
    const auto u =
        hn::Sub(hn::PromoteTo(dd, load_lanes(d, arguments.first + r * arguments.channels + c)), origin);
    auto v = u;
    if (arguments.second != nullptr) {
      v = hn::Sub(hn::PromoteTo(dd, load_lanes(d, arguments.second + r * arguments.channels + c)), center);
    }
    sum = hn::Add(sum, u);
    product_sum = hn::Add(product_sum, hn::Mul(u, v));
  }
  hn::StoreU(sum, dd, sums + c);
  hn::StoreU(product_sum, dd, sums + arguments.channels + c);
}

// Rows are walked in strips short enough for the first-level cache, each for all its channels.
template <class T>
HWY_ATTR void sum_rows(const SumArguments<T>& arguments, std::int64_t begin, std::int64_t end, double* sums) {
  const hn::ScalableTag<double> dd;
  const hn::CappedTag<double, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(dd));
  const std::int64_t channels = arguments.channels, whole = channels / lanes * lanes;
  const std::int64_t strip = HWY_MAX(std::int64_t{1}, 2048 / HWY_MAX(std::int64_t{1}, channels));
  std::vector<double> part(static_cast<std::size_t>(2 * channels));
  std::fill(sums, sums + 2 * channels, 0.0);
  for (std::int64_t first = begin; first < end; first += strip) {
    const std::int64_t last = HWY_MIN(end, first + strip);
    for (std::int64_t c = 0; c < whole; c += lanes) sum_channels(dd, arguments, c, first, last, part.data());
    for (std::int64_t c = whole; c < channels; ++c)
      sum_channels(single, arguments, c, first, last, part.data());
    for (std::int64_t i = 0; i < 2 * channels; ++i) sums[i] += part[static_cast<std::size_t>(i)];
  }
}

template <class D, class T>
HWY_ATTR HWY_INLINE void normalise_channels(D d, const RowCoefficients& row, const T* x, std::int64_t begin,
                                            std::int64_t end, T* y) {
  for (std::int64_t c = begin; c < end; c += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto distance = hn::Sub(load_lanes(d, x + c), hn::LoadU(d, row.mean + c));
    const auto value = hn::Add(hn::Mul(distance, hn::LoadU(d, row.a + c)), hn::LoadU(d, row.b + c));
    store_lanes(d, value, y + c);
  }
}

template <class T>
HWY_ATTR void normalise_row(const RowCoefficients& row, std::int64_t channels, const T* x, T* y) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = channels / lanes * lanes;
  normalise_channels(d, row, x, 0, whole, y);
  normalise_channels(single, row, x, whole, channels, y);
}

template <class D, class T>
HWY_ATTR HWY_INLINE void gradient_channels(D d, const RowCoefficients& row, const T* gradient, const T* x,
                                           std::int64_t begin, std::int64_t end, T* to) {
  for (std::int64_t c = begin; c < end; c += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto distance = hn::Sub(load_lanes(d, x + c), hn::LoadU(d, row.mean + c));
    const auto through = hn::Add(hn::LoadU(d, row.b + c), hn::Mul(distance, hn::LoadU(d, row.c + c)));
    const auto direct = hn::Mul(hn::LoadU(d, row.a + c), load_lanes(d, gradient + c));
    store_lanes(d, hn::Sub(direct, through), to + c);
  }
}

template <class T>
HWY_ATTR void gradient_row(const RowCoefficients& row, std::int64_t channels, const T* gradient, const T* x,
                           T* to) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = channels / lanes * lanes;
  gradient_channels(d, row, gradient, x, 0, whole, to);
  gradient_channels(single, row, gradient, x, whole, channels, to);
}

void sum_float(const SumArguments<float>& arguments, std::int64_t begin, std::int64_t end, double* sums) {
  sum_rows(arguments, begin, end, sums);
}
void sum_bfloat16(const SumArguments<BFloat16>& arguments, std::int64_t begin, std::int64_t end,
                  double* sums) {
  sum_rows(arguments, begin, end, sums);
}
void normalise_float(const RowCoefficients& row, std::int64_t channels, const float* x, float* y) {
  normalise_row(row, channels, x, y);
}
void normalise_bfloat16(const RowCoefficients& row, std::int64_t channels, const BFloat16* x, BFloat16* y) {
  normalise_row(row, channels, x, y);
}
void gradient_float(const RowCoefficients& row, std::int64_t channels, const float* gradient, const float* x,
                    float* to) {
  gradient_row(row, channels, gradient, x, to);
}
void gradient_bfloat16(const RowCoefficients& row, std::int64_t channels, const BFloat16* gradient,
                       const BFloat16* x, BFloat16* to) {
  gradient_row(row, channels, gradient, x, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(sum_float);
HWY_EXPORT(sum_bfloat16);
HWY_EXPORT(normalise_float);
HWY_EXPORT(normalise_bfloat16);
HWY_EXPORT(gradient_float);
HWY_EXPORT(gradient_bfloat16);

// Sums over `rows` rows -> [2, channels], by blocks that are added in order.
template <class T>
void sum_blocks(const SumArguments<T>& arguments, std::int64_t rows, double* sums) {
  const std::int64_t channels = arguments.channels, row_values = std::max<std::int64_t>(1, channels);
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / row_values);
  const Blocks blocks = make_blocks(rows, grain);
  std::vector<double> parts(static_cast<std::size_t>(blocks.count * 2 * channels));
  for_each_block(blocks, rows * channels, [&](std::int64_t block, std::int64_t begin, std::int64_t end) {
    double* const part = parts.data() + block * 2 * channels;
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(sum_float)(arguments, begin, end, part);
    } else {
      HWY_DYNAMIC_DISPATCH(sum_bfloat16)(arguments, begin, end, part);
    }
  });
  std::fill(sums, sums + 2 * channels, 0.0);
  for (std::int64_t block = 0; block < blocks.count; ++block) {
    for (std::int64_t i = 0; i < 2 * channels; ++i)
      sums[i] += parts[static_cast<std::size_t>(block * 2 * channels + i)];
  }
}

// Calls function(row, its group) for all rows.
template <class Function>
void for_each_row(const BatchNormSize& size, const Function& function) {
  const std::int64_t row_values = std::max<std::int64_t>(1, size.channels);
  const Blocks blocks = make_blocks(size.rows(), std::max<std::int64_t>(1, 4096 / row_values));
  for_each_block(blocks, size.rows() * size.channels,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = begin; r < end; ++r) function(r, r / size.group_rows);
                 });
}

}  // namespace

template <class T>
void batch_norm_moments(const BatchNormSize& size, const T* x, ChannelMoments* moments) {
  simd_level();
  const std::int64_t channels = size.channels;
  const auto rows = static_cast<double>(size.rows());
  std::vector<double> sums(static_cast<std::size_t>(2 * channels));
  sum_blocks(SumArguments<T>{channels, x, x, nullptr, nullptr}, size.rows(), sums.data());
  for (std::int64_t c = 0; c < channels; ++c) {
    const double origin = size.rows() > 0 ? static_cast<double>(to_float(x[c])) : 0.0;
    moments[c] = ChannelMoments::from_sums(rows, origin, sums[static_cast<std::size_t>(c)],
                                           sums[static_cast<std::size_t>(channels + c)]);
  }
}

void batch_norm_combine(std::int64_t slices, std::int64_t channels, const ChannelMoments* moments,
                        float* mean, float* variance) {
  reference::batch_norm_combine(slices, channels, moments, mean, variance);
}

void batch_norm_update_running(std::int64_t channels, std::int64_t rows, double momentum,
                               const BatchNormStatistics<float>& batch, float* running_mean,
                               float* running_variance) {
  reference::batch_norm_update_running(channels, rows, momentum, batch, running_mean, running_variance);
}

template <class T>
void batch_norm_normalise(const BatchNormSize& size, const BatchNormParams& params,
                          const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                          const T* x, T* y) {
  simd_level();
  const std::int64_t channels = size.channels;
  std::vector<float> a(static_cast<std::size_t>(size.groups * channels)), b(a.size());
  for (std::int64_t t = 0; t < size.groups; ++t) {
    const double p = reference::step_scale_of(affine, t);
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto at = static_cast<std::size_t>(t * channels + c);
      const double slope = batch_norm_slope(params, static_cast<double>(affine.scale[c]),
                                            static_cast<double>(statistics.variance[c]));
      a[at] = static_cast<float>(slope * p);
      b[at] = static_cast<float>(static_cast<double>(affine.shift[c]) * p);
    }
  }
  for_each_row(size, [&](std::int64_t row, std::int64_t t) {
    const RowCoefficients of{statistics.mean, a.data() + t * channels, b.data() + t * channels, nullptr};
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(normalise_float)(of, channels, x + row * channels, y + row * channels);
    } else {
      HWY_DYNAMIC_DISPATCH(normalise_bfloat16)(of, channels, x + row * channels, y + row * channels);
    }
  });
}

template <class T>
void batch_norm_backward_sums(const BatchNormSize& size, const BatchNormParams& params,
                              const BatchNormStatistics<float>& statistics, const T* grad_y, const T* x,
                              double* sums) {
  simd_level();
  const std::int64_t channels = size.channels, group_values = size.group_rows * channels;
  for (std::int64_t t = 0; t < size.groups; ++t) {
    double* const own = sums + t * 2 * channels;
    sum_blocks(
        SumArguments<T>{channels, grad_y + t * group_values, nullptr, x + t * group_values, statistics.mean},
        size.group_rows, own);
    for (std::int64_t c = 0; c < channels; ++c) {
      own[channels + c] /= std::sqrt(static_cast<double>(statistics.variance[c]) + params.epsilon);
    }
  }
}

void batch_norm_parameter_gradients(const BatchNormSize& size, const BatchNormParams& params,
                                    const BatchNormAffine<float>& affine, const double* sums,
                                    const BatchNormGradients<float>& gradients, double* totals) {
  reference::batch_norm_parameter_gradients(size, params, affine, sums, gradients, totals);
}

template <class T>
void batch_norm_backward(const BatchNormSize& size, const BatchNormParams& params,
                         const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                         std::int64_t total_rows, const double* totals, const T* grad_y, const T* x,
                         T* grad_x) {
  simd_level();
  const std::int64_t channels = size.channels;
  std::vector<float> a(static_cast<std::size_t>(size.groups * channels)),
      b(static_cast<std::size_t>(channels)), of_x(b.size());
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto at = static_cast<std::size_t>(c);
    const auto variance = static_cast<double>(statistics.variance[c]);
    const double k = batch_norm_slope(params, static_cast<double>(affine.scale[c]), variance);
    const double share = k / static_cast<double>(total_rows);
    const double inv_std = 1.0 / std::sqrt(variance + params.epsilon);
    b[at] = static_cast<float>(share * totals[c]);
    of_x[at] = static_cast<float>(share * totals[channels + c] * inv_std);
    for (std::int64_t t = 0; t < size.groups; ++t) {
      a[static_cast<std::size_t>(t * channels + c)] =
          static_cast<float>(k * reference::step_scale_of(affine, t));
    }
  }
  for_each_row(size, [&](std::int64_t row, std::int64_t t) {
    const RowCoefficients of{statistics.mean, a.data() + t * channels, b.data(), of_x.data()};
    const std::int64_t at = row * channels;
    if constexpr (std::is_same_v<T, float>) {
      HWY_DYNAMIC_DISPATCH(gradient_float)(of, channels, grad_y + at, x + at, grad_x + at);
    } else {
      HWY_DYNAMIC_DISPATCH(gradient_bfloat16)(of, channels, grad_y + at, x + at, grad_x + at);
    }
  });
}

#define SPIKELOOM_BATCH_NORM(T)                                                                           \
  template void batch_norm_moments(const BatchNormSize&, const T*, ChannelMoments*);                      \
  template void batch_norm_normalise(const BatchNormSize&, const BatchNormParams&,                        \
                                     const BatchNormStatistics<float>&, const BatchNormAffine<float>&,    \
                                     const T*, T*);                                                       \
  template void batch_norm_backward_sums(const BatchNormSize&, const BatchNormParams&,                    \
                                         const BatchNormStatistics<float>&, const T*, const T*, double*); \
  template void batch_norm_backward(const BatchNormSize&, const BatchNormParams&,                         \
                                    const BatchNormStatistics<float>&, const BatchNormAffine<float>&,     \
                                    std::int64_t, const double*, const T*, const T*, T*)
SPIKELOOM_BATCH_NORM(float);
SPIKELOOM_BATCH_NORM(BFloat16);
#undef SPIKELOOM_BATCH_NORM

}  // namespace spikeloom::kernels::cpu
#endif
