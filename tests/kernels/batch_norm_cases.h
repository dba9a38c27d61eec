#pragma once
// A batch-normalised layer for the tests of its kernels: values, and what the reference makes of them.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "spikeloom/kernels/reference/batch_norm.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {

/// None, one row, one step, odd numbers of channels, and enough for several blocks.
inline std::vector<BatchNormSize> batch_norm_sizes() {
  return {{0, 3, 4},   {2, 0, 5},  {3, 2, 0},   {1, 1, 1},    {4, 1, 3},
          {1, 50, 16}, {4, 7, 19}, {3, 64, 33}, {5, 300, 64}, {2, 1500, 8}};
}

template <class T>
std::vector<T> batch_norm_values(const std::vector<float>& floats) {
  std::vector<T> values(floats.size());
  for (std::size_t i = 0; i < floats.size(); ++i) values[i] = from_float<T>(floats[i]);
  return values;
}

template <class T>
struct BatchNormProblem {
  BatchNormProblem(const BatchNormSize& of, bool with_step_scale) : size(of) {
    const auto channels = static_cast<std::size_t>(size.channels);
    auto floats = random_values<float>(size.rows() * size.channels, 1, 2.0);
    for (std::size_t i = 0; i < floats.size(); ++i) floats[i] += static_cast<float>(i % channels) - 3.0f;
    x = batch_norm_values<T>(floats);
    gradient = batch_norm_values<T>(random_values<float>(size.rows() * size.channels, 2));
    scale = random_values<float>(size.channels, 3);
    shift = random_values<float>(size.channels, 4);
    if (with_step_scale) step_scale = random_values<float>(size.groups, 5);
    params.factor = 0.8;
    params.epsilon = 1e-3;
    moments.resize(channels);
    mean.resize(channels);
    variance.resize(channels);
    y.resize(x.size());
    grad_x.resize(x.size());
    sums.resize(static_cast<std::size_t>(size.groups) * 2 * channels);
    totals.resize(2 * channels);
    grad_scale.resize(channels);
    grad_shift.resize(channels);
    grad_step_scale.resize(step_scale.size());
    reference::batch_norm_moments(size, x.data(), moments.data());
    reference::batch_norm_combine(1, size.channels, moments.data(), mean.data(), variance.data());
    reference::batch_norm_normalise(size, params, statistics(), affine(), x.data(), y.data());
    reference::batch_norm_backward_sums(size, params, statistics(), gradient.data(), x.data(), sums.data());
    reference::batch_norm_parameter_gradients(size, params, affine(), sums.data(), gradients(),
                                              totals.data());
    reference::batch_norm_backward(size, params, statistics(), affine(), size.rows(), totals.data(),
                                   gradient.data(), x.data(), grad_x.data());
  }
  BatchNormStatistics<float> statistics() const { return {mean.data(), variance.data()}; }
  BatchNormAffine<float> affine() const {
    return {scale.data(), shift.data(), step_scale.empty() ? nullptr : step_scale.data()};
  }
  BatchNormGradients<float> gradients() {
    return {grad_scale.data(), grad_shift.data(), step_scale.empty() ? nullptr : grad_step_scale.data()};
  }

  BatchNormSize size;
  BatchNormParams params;
  std::vector<T> x, gradient, y, grad_x;
  std::vector<float> scale, shift, step_scale, mean, variance, grad_scale, grad_shift, grad_step_scale;
  std::vector<double> sums, totals;
  std::vector<ChannelMoments> moments;
};

/// Doubles whose sums were added in another order.
inline void expect_sums(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], 1e-11 * (1.0 + largest(want))) << i;
}
inline void expect_moments(const std::vector<ChannelMoments>& got, const std::vector<ChannelMoments>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t c = 0; c < got.size(); ++c) {
    ASSERT_EQ(got[c].rows, want[c].rows);
    ASSERT_NEAR(got[c].mean, want[c].mean, 1e-13 * (1.0 + std::abs(want[c].mean))) << c;
    ASSERT_NEAR(got[c].squares, want[c].squares, 1e-12 * (1.0 + want[c].squares)) << c;
  }
}

}  // namespace spikeloom::kernels::test
