#pragma once
// The harness of the operator tests: tensors of equal values in different memory, and comparisons that name
// what differs.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace spikeloom::ops::test {

/// How the same values lie in memory.
enum class Layout {
  kContiguous,    ///< [T, N, C, H, W]
  kChannelsLast,  ///< [T, N, H, W, C]
  kBatchFirst,    ///< [N, T, ...]: time is not outermost
  kSliced,        ///< every other element of a tensor whose other elements are NaN
};
constexpr Layout kLayouts[] = {Layout::kContiguous, Layout::kChannelsLast, Layout::kBatchFirst,
                               Layout::kSliced};

inline const char* name_of(Layout layout) {
  const char* names[] = {"contiguous", "channels last", "batch first", "sliced"};
  return names[static_cast<int>(layout)];
}

/// A tensor equal to `values` laid out as asked (channels last needs three dimensions, batch first two).
inline at::Tensor with_layout(const at::Tensor& values, Layout layout) {
  const at::NoGradGuard no_grad;
  if (layout == Layout::kChannelsLast && values.dim() >= 3) {
    return values.movedim(-3, -1).contiguous().movedim(-1, -3).clone(at::MemoryFormat::Preserve);
  }
  if (layout == Layout::kBatchFirst && values.dim() >= 2) {
    return values.transpose(0, 1).clone(at::MemoryFormat::Contiguous).transpose(0, 1);
  }
  if (layout == Layout::kSliced) {
    std::vector<std::int64_t> sizes = values.sizes().vec();
    for (auto& size : sizes) size = 2 * size + 2;
    at::Tensor slice = at::full(sizes, std::numeric_limits<double>::quiet_NaN(), values.options());
    for (std::int64_t d = 0; d < values.dim(); ++d) slice = slice.slice(d, 1, 1 + 2 * values.size(d), 2);
    slice.copy_(values);
    return slice;
  }
  return values.clone(at::MemoryFormat::Contiguous);
}

/// The same, as a leaf whose gradient is wanted.
inline at::Tensor leaf(const at::Tensor& values, Layout layout = Layout::kContiguous) {
  return with_layout(values, layout).detach().set_requires_grad(true);
}

/// Normal deviates times `scale`; with `on_grid` every other one is a multiple of 1/4, so that potentials
/// meet thresholds and edges of windows exactly.
inline at::Tensor random_normal(at::IntArrayRef sizes, at::ScalarType dtype, unsigned seed,
                                double scale = 1.0, bool on_grid = false) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  at::Tensor values = at::empty(sizes, at::kDouble);
  double* data = values.data_ptr<double>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const double value = scale * normal(generator);
    data[i] = on_grid && i % 2 == 1 ? std::round(value * 4) / 4 : value;
  }
  return values.to(dtype);
}

/// 0 or 1.
inline at::Tensor random_spikes(at::IntArrayRef sizes, at::ScalarType dtype, unsigned seed) {
  return random_normal(sizes, at::kDouble, seed).gt(0.5).to(dtype);
}

template <class T>
constexpr at::ScalarType dtype_of() {
  return sizeof(T) == sizeof(float) ? at::kFloat : at::kDouble;
}

template <class T>
constexpr double epsilon() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

/// The values in logical order, last index fastest.
template <class T>
std::vector<T> values_of(const at::Tensor& x) {
  const at::Tensor c = x.detach().contiguous();
  return {c.data_ptr<T>(), c.data_ptr<T>() + c.numel()};
}

template <class T>
at::Tensor tensor_of(const std::vector<T>& values, at::IntArrayRef sizes) {
  at::Tensor x = at::empty(sizes, dtype_of<T>());
  EXPECT_EQ(x.numel(), static_cast<std::int64_t>(values.size()));
  if (!values.empty()) std::memcpy(x.data_ptr(), values.data(), values.size() * sizeof(T));
  return x;
}

/// max |x|, 0 for an empty tensor.
inline double largest(const at::Tensor& x) {
  return x.numel() == 0 ? 0.0 : x.detach().abs().max().item().toDouble();
}

/// Same shape and dtype and everywhere |got - want| <= tolerance; NaN never passes. Tolerance 0: equal
/// values.
inline testing::AssertionResult within(const at::Tensor& got, const at::Tensor& want, double tolerance) {
  if (!got.defined() || !want.defined()) return testing::AssertionFailure() << "a tensor is missing";
  if (got.sizes() != want.sizes() || got.scalar_type() != want.scalar_type()) {
    return testing::AssertionFailure()
           << got.scalar_type() << got.sizes() << " instead of " << want.scalar_type() << want.sizes();
  }
  const at::Tensor difference = (got.detach() - want.detach()).abs();
  const std::int64_t wrong = difference.le(tolerance).logical_not().sum().item().toLong();
  if (wrong == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << wrong << " of " << got.numel() << " values differ, the worst by "
                                     << largest(difference) << ", tolerance " << tolerance;
}

inline testing::AssertionResult same(const at::Tensor& got, const at::Tensor& want) {
  return within(got, want, 0.0);
}

/// Tolerance relative to the largest value wanted, at least to 1.
inline testing::AssertionResult close_to(const at::Tensor& got, const at::Tensor& want, double tolerance) {
  return within(got, want, tolerance * std::max(1.0, largest(want)));
}

}  // namespace spikeloom::ops::test
