// Batch normalisation on queues against the reference.
#include "spikeloom/kernels/cuda/batch_norm.h"

#include <gtest/gtest.h>

#include "array.h"
#include "tests/kernels/batch_norm_cases.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::BatchNormProblem;
using kernels::test::mismatches;

class BatchNormQueueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(BatchNormQueueTest);

template <class T>
void compare_with_reference(const Queue& queue, const BatchNormSize& size, bool with_step_scale,
                            std::int64_t shift) {
  const BatchNormProblem<T> want(size, with_step_scale);
  const auto count = static_cast<std::int64_t>(want.x.size());
  Array<T> x(queue, want.x, shift), gradient(queue, want.gradient, shift), y(queue, count, shift),
      grad_x(queue, count, shift);
  Array<float> scale(queue, want.scale), shifts(queue, want.shift), steps(queue, want.step_scale),
      mean(queue, size.channels), variance(queue, size.channels), exact_mean(queue, want.mean),
      exact_variance(queue, want.variance), grad_scale(queue, size.channels),
      grad_shift(queue, size.channels), grad_steps(queue, static_cast<std::int64_t>(want.step_scale.size()));
  Array<double> sums(queue, static_cast<std::int64_t>(want.sums.size())), exact_sums(queue, want.sums),
      totals(queue, static_cast<std::int64_t>(want.totals.size()));
  Array<ChannelMoments> moments(queue, size.channels);
  Workspace workspace(queue, batch_norm_workspace(size));
  const BatchNormAffine<float> affine{scale.data(), shifts.data(), with_step_scale ? steps.data() : nullptr};
  const BatchNormStatistics<float> statistics{exact_mean.data(), exact_variance.data()};

  batch_norm_moments(queue, size, x.data(), moments.data(), workspace.data());
  kernels::test::expect_moments(moments.values(), want.moments);
  batch_norm_combine(queue, 1, size.channels, moments.data(), mean.data(), variance.data());
  for (std::size_t c = 0; c < want.mean.size(); ++c) {
    ASSERT_FLOAT_EQ(mean.values()[c], want.mean[c]);
    ASSERT_NEAR(variance.values()[c], want.variance[c], 1e-6 * (1e-6 + want.variance[c]));
  }
  batch_norm_normalise(queue, size, want.params, statistics, affine, x.data(), y.data(), workspace.data());
  ASSERT_EQ(mismatches(floats_of(y.values()), floats_of(want.y)), 0);
  batch_norm_backward_sums(queue, size, want.params, statistics, gradient.data(), x.data(), sums.data(),
                           workspace.data());
  kernels::test::expect_sums(sums.values(), want.sums);
  batch_norm_parameter_gradients(
      queue, size, want.params, affine, exact_sums.data(),
      {grad_scale.data(), grad_shift.data(), with_step_scale ? grad_steps.data() : nullptr}, totals.data());
  ASSERT_EQ(totals.values(), want.totals);
  ASSERT_EQ(grad_scale.values(), want.grad_scale);
  ASSERT_EQ(grad_shift.values(), want.grad_shift);
  if (with_step_scale) {
    ASSERT_EQ(mismatches(grad_steps.values(), want.grad_step_scale,
                         1e-6 * (1.0 + kernels::test::largest(want.grad_step_scale))),
              0);
  }
  batch_norm_backward(queue, size, want.params, statistics, affine, size.rows(), totals.data(),
                      gradient.data(), x.data(), grad_x.data(), workspace.data());
  ASSERT_EQ(mismatches(floats_of(grad_x.values()), floats_of(want.grad_x)), 0);
}

TEST_P(BatchNormQueueTest, EqualsTheReference) {
  for (const BatchNormSize& size : kernels::test::batch_norm_sizes()) {
    for (const bool with_step_scale : {false, true}) {
      for (const std::int64_t shift : {0, 1}) {
        SCOPED_TRACE(testing::Message() << size.groups << " x " << size.group_rows << " x " << size.channels
                                        << " steps scaled " << with_step_scale << " shift " << shift);
        compare_with_reference<float>(queue, size, with_step_scale, shift);
        compare_with_reference<BFloat16>(queue, size, with_step_scale, shift);
      }
    }
  }
}

TEST_P(BatchNormQueueTest, CombinesSlicesAndRunningMoments) {
  Array<ChannelMoments> moments(
      queue, std::vector<ChannelMoments>{{3.0, 1.0, 2.0}, {0.0, 0.0, 0.0}, {1.0, 5.0, 0.0}});
  Array<float> mean(queue, 1), variance(queue, 1);
  batch_norm_combine(queue, 3, 1, moments.data(), mean.data(), variance.data());
  EXPECT_FLOAT_EQ(mean.value(), 2.0f);              // (3 * 1 + 5) / 4
  EXPECT_FLOAT_EQ(variance.value(), 14.0f / 4.0f);  // 2 + 3 * 1 + 9
  Array<float> running_mean(queue, std::vector<float>{1.0f}),
      running_variance(queue, std::vector<float>{1.0f});
  batch_norm_update_running(queue, 1, 4, 0.5, {mean.data(), variance.data()}, running_mean.data(),
                            running_variance.data());
  EXPECT_FLOAT_EQ(running_mean.value(), 1.5f);
  EXPECT_FLOAT_EQ(running_variance.value(), 0.5f + 0.5f * 14.0f / 3.0f);
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
