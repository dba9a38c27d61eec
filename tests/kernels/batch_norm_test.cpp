// Batch normalisation: the order of sums, and statistics that are written out.
#include "spikeloom/kernels/cpu/batch_norm.h"

#include <gtest/gtest.h>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/batch_norm.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

TEST(BatchNorm, SumsDoNotDependOnThreadsOrSimdLevel) {
  const BatchNormSize size{3, 4000, 24};
  const auto x = test::random_values<float>(size.rows() * size.channels, 1, 2.0),
             gradient = test::random_values<float>(size.rows() * size.channels, 2);
  const std::vector<float> mean(24, 0.1f), variance(24, 4.0f);
  std::vector<double> first;
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const int threads : {1, 2, 5}) {
      const test::ThreadCount count(threads);
      std::vector<double> sums(3 * 2 * 24);
      cpu::batch_norm_backward_sums(size, {}, {mean.data(), variance.data()}, gradient.data(), x.data(),
                                    sums.data());
      if (first.empty()) first = sums;
      EXPECT_EQ(sums, first);
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
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
  const BatchNormSize size{4, 500, 2};
  const auto x = test::random_values<float>(4000, 1, 2.0);
  std::vector<ChannelMoments> moments(2);
  std::vector<float> mean(2), variance(2);
  reference::batch_norm_moments(size, x.data(), moments.data());
  reference::batch_norm_combine(1, 2, moments.data(), mean.data(), variance.data());
  BatchNormParams params;
  params.factor = 0.6;
  params.epsilon = 0.0;
  const std::vector<float> ones(2, 1.0f), zeros(2, 0.0f);
  std::vector<float> y(x.size());
  cpu::batch_norm_normalise(size, params, {mean.data(), variance.data()},
                            {ones.data(), zeros.data(), nullptr}, x.data(), y.data());
  reference::batch_norm_moments(size, y.data(), moments.data());
  for (const auto& of : moments) {
    EXPECT_NEAR(of.mean, 0.0, 1e-6);
    EXPECT_NEAR(std::sqrt(of.variance()), 0.6, 1e-6);
  }
}

}  // namespace
}  // namespace spikeloom::kernels
