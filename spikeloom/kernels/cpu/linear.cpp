#include "spikeloom/kernels/cpu/linear.h"

#include <algorithm>

#include "spikeloom/kernels/cpu/parallel_blocks.h"
#include "spikeloom/kernels/cpu/simd_level.h"

// clang-format off
#include "spikeloom/kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spikeloom/kernels/cpu/linear.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::ScalableTag<float>;

// Twelve sums and what they take fit the sixteen registers of AVX2.
constexpr std::int64_t kTileRows = 3, kTileFilters = 4;
// Inputs whose weights, of a tile of filters, and values, of some rows, stay in the first-level cache.
constexpr std::int64_t kPiece = 1024;

// kRows x kFilters sums over inputs [begin, end), added to y. Each has lanes of its own, so that all tiles
// add in the same order.
template <int kRows, int kFilters>
HWY_ATTR HWY_INLINE void add_tile(const LinearSize& size, const float* x, const float* weight, float* y,
                                  std::int64_t begin, std::int64_t end) {
  const Lanes d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<Lanes> sums[kRows][kFilters];
  for (int r = 0; r < kRows; ++r) {
    for (int f = 0; f < kFilters; ++f) sums[r][f] = hn::Zero(d);
  }
  std::int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    hn::Vec<Lanes> w[kFilters];
    for (int f = 0; f < kFilters; ++f) w[f] = hn::LoadU(d, weight + f * size.inputs + i);
    for (int r = 0; r < kRows; ++r) {
      const auto values = hn::LoadU(d, x + r * size.inputs + i);
      for (int f = 0; f < kFilters; ++f) sums[r][f] = hn::MulAdd(values, w[f], sums[r][f]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int f = 0; f < kFilters; ++f) {
      float sum = hn::GetLane(hn::SumOfLanes(d, sums[r][f]));
      for (std::int64_t rest = i; rest < end; ++rest)
        sum += x[r * size.inputs + rest] * weight[f * size.inputs + rest];
      y[r * size.filters + f] += sum;
    }
  }
}

template <int kRows>
HWY_ATTR void add_rows(const LinearSize& size, const float* x, const float* weight, float* y,
                       std::int64_t filters, std::int64_t begin, std::int64_t end) {
  std::int64_t f = 0;
  for (; f + kTileFilters <= filters; f += kTileFilters)
    add_tile<kRows, kTileFilters>(size, x, weight + f * size.inputs, y + f, begin, end);
  for (; f < filters; ++f) add_tile<kRows, 1>(size, x, weight + f * size.inputs, y + f, begin, end);
}

// Filters [first, last) of all rows.
HWY_ATTR void filters_of_rows(const LinearSize& size, const float* x, const float* weight, const float* bias,
                              float* y, std::int64_t first, std::int64_t last) {
  for (std::int64_t r = 0; r < size.rows; ++r) {
    for (std::int64_t f = first; f < last; ++f) y[r * size.filters + f] = bias != nullptr ? bias[f] : 0.0f;
  }
  for (std::int64_t begin = 0; begin < size.inputs; begin += kPiece) {
    const std::int64_t end = std::min(begin + kPiece, size.inputs);
    std::int64_t r = 0;
    const auto rows = [&](auto add, std::int64_t count) {
      for (; r + count <= size.rows; r += count)
        add(size, x + r * size.inputs, weight + first * size.inputs, y + r * size.filters + first,
            last - first, begin, end);
    };
    rows(add_rows<kTileRows>, kTileRows);
    rows(add_rows<1>, 1);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace spikeloom::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::kernels::cpu {
namespace {

HWY_EXPORT(filters_of_rows);
// Filters at a time: their weights of a piece stay in the second-level cache while all rows go by.
constexpr std::int64_t kFilters = 32;

}  // namespace

void linear_forward(const LinearSize& size, const float* x, const float* weight, const float* bias,
                    float* y) {
  simd_level();
  for_each_block(make_blocks(size.filters, kFilters), size.rows * size.inputs * size.filters,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   HWY_DYNAMIC_DISPATCH(filters_of_rows)(size, x, weight, bias, y, begin, end);
                 });
}

}  // namespace spikeloom::kernels::cpu
#endif
