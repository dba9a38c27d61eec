// Batch normalisation: CPU kernels against the reference, the reference against finite differences in double,
// slices against the whole.
#include "spikeloom/kernels/cpu/batch_norm.h"

#include <gtest/gtest.h>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "tests/kernels/batch_norm_cases.h"

namespace spikeloom::kernels {
namespace {

template <class T>
std::vector<float> floats_of(const std::vector<T>& values) {
  std::vector<float> floats;
  for (const T value : values) floats.push_back(to_float(value));
  return floats;
}

template <class T>
void compare_with_reference(const BatchNormSize& size, bool with_step_scale) {
  const test::BatchNormProblem<T> want(size, with_step_scale);
  const T poison = from_float<T>(std::nanf(""));
  std::vector<ChannelMoments> moments(want.moments.size(), {-1.0, -1.0, -1.0});
  cpu::batch_norm_moments(size, want.x.data(), moments.data());
  test::expect_moments(moments, want.moments);
  std::vector<T> y(want.x.size(), poison), grad_x = y;
  cpu::batch_norm_normalise(size, want.params, want.statistics(), want.affine(), want.x.data(), y.data());
  ASSERT_EQ(test::mismatches(floats_of(y), floats_of(want.y)), 0);
  std::vector<double> sums(want.sums.size(), 1e300), totals(want.totals.size(), 1e300);
  cpu::batch_norm_backward_sums(size, want.params, want.statistics(), want.gradient.data(), want.x.data(),
                                sums.data());
  test::expect_sums(sums, want.sums);
  std::vector<float> grad_scale(want.scale.size(), -1.0f), grad_shift = grad_scale,
                                                           grad_step(want.step_scale.size(), -1.0f);
  cpu::batch_norm_parameter_gradients(
      size, want.params, want.affine(), want.sums.data(),
      {grad_scale.data(), grad_shift.data(), with_step_scale ? grad_step.data() : nullptr}, totals.data());
  ASSERT_EQ(totals, want.totals);
  ASSERT_EQ(grad_scale, want.grad_scale);
  ASSERT_EQ(grad_shift, want.grad_shift);
  ASSERT_EQ(grad_step, want.grad_step_scale);
  cpu::batch_norm_backward(size, want.params, want.statistics(), want.affine(), size.rows(),
                           want.totals.data(), want.gradient.data(), want.x.data(), grad_x.data());
  ASSERT_EQ(test::mismatches(floats_of(grad_x), floats_of(want.grad_x)), 0);

  // In place, forward and backward.
  y = want.x;
  cpu::batch_norm_normalise(size, want.params, want.statistics(), want.affine(), y.data(), y.data());
  ASSERT_EQ(test::mismatches(floats_of(y), floats_of(want.y)), 0);
  grad_x = want.gradient;
  cpu::batch_norm_backward(size, want.params, want.statistics(), want.affine(), size.rows(),
                           want.totals.data(), grad_x.data(), want.x.data(), grad_x.data());
  ASSERT_EQ(test::mismatches(floats_of(grad_x), floats_of(want.grad_x)), 0);
}

TEST(BatchNorm, EqualsItsReferenceAtEverySimdLevel) {
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const int threads : {1, 3}) {
      const test::ThreadCount count(threads);
      for (const BatchNormSize& size : test::batch_norm_sizes()) {
        for (const bool with_step_scale : {false, true}) {
          SCOPED_TRACE(testing::Message() << level << " " << size.groups << " x " << size.group_rows << " x "
                                          << size.channels << " steps scaled " << with_step_scale);
          compare_with_reference<float>(size, with_step_scale);
          compare_with_reference<BFloat16>(size, with_step_scale);
        }
      }
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
}

TEST(BatchNorm, SumsDoNotDependOnThreadsOrSimdLevel) {
  const test::BatchNormProblem<float> p({3, 4000, 24}, false);
  std::vector<double> first;
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const int threads : {1, 2, 5}) {
      const test::ThreadCount count(threads);
      std::vector<double> sums(p.sums.size());
      cpu::batch_norm_backward_sums(p.size, p.params, p.statistics(), p.gradient.data(), p.x.data(),
                                    sums.data());
      if (first.empty()) first = sums;
      EXPECT_EQ(sums, first);
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
}

// A mean far larger than the spread, where sums of squares in float would be lost.
TEST(BatchNorm, MomentsOfALargeMean) {
  const BatchNormSize size{2, 500, 3};
  auto x = test::random_values<float>(3000, 1);
  for (float& value : x) value = 4096.0f + std::round(value * 64.0f) / 64.0f;
  std::vector<ChannelMoments> want(3), got(3);
  reference::batch_norm_moments(size, x.data(), want.data());
  cpu::batch_norm_moments(size, x.data(), got.data());
  test::expect_moments(got, want);
  EXPECT_GT(want[0].variance(), 0.5);
}

TEST(BatchNorm, MomentsOfSlicesAreThoseOfTheWhole) {
  const BatchNormSize whole{1, 100, 5};
  const auto x = test::random_values<float>(500, 1);
  std::vector<ChannelMoments> all(5), parts;
  cpu::batch_norm_moments(whole, x.data(), all.data());
  std::int64_t first = 0;
  for (const std::int64_t rows : {1, 0, 40, 59}) {
    std::vector<ChannelMoments> part(5);
    cpu::batch_norm_moments({1, rows, 5}, x.data() + first * 5, part.data());
    parts.insert(parts.end(), part.begin(), part.end());
    first += rows;
  }
  std::vector<float> mean(5), variance(5);
  cpu::batch_norm_combine(4, 5, parts.data(), mean.data(), variance.data());
  for (std::size_t c = 0; c < 5; ++c) {
    EXPECT_FLOAT_EQ(mean[c], static_cast<float>(all[c].mean));
    EXPECT_FLOAT_EQ(variance[c], static_cast<float>(all[c].variance()));
  }
}

TEST(BatchNorm, RunningVarianceIsUnbiased) {
  const float mean = 3.0f, variance = 2.0f;
  float running_mean = 1.0f, running_variance = 1.0f;
  cpu::batch_norm_update_running(1, 5, 0.1, {&mean, &variance}, &running_mean, &running_variance);
  EXPECT_FLOAT_EQ(running_mean, 0.9f * 1.0f + 0.1f * 3.0f);
  EXPECT_FLOAT_EQ(running_variance, 0.9f * 1.0f + 0.1f * 2.0f * 5.0f / 4.0f);
}

// tdBN: spread alpha * v_threshold for scale 1.
TEST(BatchNorm, FactorIsTheSpread) {
  const test::BatchNormProblem<float> p({4, 500, 2}, false);
  BatchNormParams params;
  params.factor = 0.6;
  params.epsilon = 0.0;
  const std::vector<float> ones(2, 1.0f), zeros(2, 0.0f);
  std::vector<float> y(p.x.size());
  cpu::batch_norm_normalise(p.size, params, p.statistics(), {ones.data(), zeros.data(), nullptr}, p.x.data(),
                            y.data());
  std::vector<ChannelMoments> moments(2);
  reference::batch_norm_moments(p.size, y.data(), moments.data());
  for (const auto& of : moments) {
    EXPECT_NEAR(of.mean, 0.0, 1e-6);
    EXPECT_NEAR(std::sqrt(of.variance()), 0.6, 1e-6);
  }
}

TEST(BatchNorm, GradientsEqualFiniteDifferences) {
  constexpr double kStep = 1e-5;
  const BatchNormSize size{3, 4, 5};
  BatchNormParams params;
  params.factor = 0.7;
  params.epsilon = 1e-3;
  auto x = test::random_values<double>(60, 1), scale = test::random_values<double>(5, 2),
       shift = test::random_values<double>(5, 3), step_scale = test::random_values<double>(3, 4);
  const auto weights = test::random_values<double>(60, 5);
  std::vector<double> mean(5), variance(5), y(60);
  std::vector<ChannelMoments> moments(5);
  const auto loss = [&] {
    reference::batch_norm_moments(size, x.data(), moments.data());
    reference::batch_norm_combine(1, 5, moments.data(), mean.data(), variance.data());
    reference::batch_norm_normalise<double, double>(size, params, {mean.data(), variance.data()},
                                                    {scale.data(), shift.data(), step_scale.data()}, x.data(),
                                                    y.data());
    double sum = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += weights[i] * y[i];
    return sum;
  };
  loss();
  std::vector<double> sums(30), totals(10), grad_scale(5), grad_shift(5), grad_step(3), grad_x(60);
  const BatchNormStatistics<double> statistics{mean.data(), variance.data()};
  const BatchNormAffine<double> affine{scale.data(), shift.data(), step_scale.data()};
  reference::batch_norm_backward_sums(size, params, statistics, weights.data(), x.data(), sums.data());
  reference::batch_norm_parameter_gradients<double>(size, params, affine, sums.data(),
                                                    {grad_scale.data(), grad_shift.data(), grad_step.data()},
                                                    totals.data());
  reference::batch_norm_backward(size, params, statistics, affine, 12, totals.data(), weights.data(),
                                 x.data(), grad_x.data());
  const auto compare = [&](std::vector<double>& values, const std::vector<double>& gradient) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = values[i];
      values[i] = value + kStep;
      const double above = loss();
      values[i] = value - kStep;
      const double below = loss();
      values[i] = value;
      EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-7) << i;
    }
  };
  compare(x, grad_x);
  compare(scale, grad_scale);
  compare(shift, grad_shift);
  compare(step_scale, grad_step);
}

}  // namespace
}  // namespace spikeloom::kernels
