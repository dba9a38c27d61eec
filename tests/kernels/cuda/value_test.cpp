// Kernels on values that are no spikes: rectified linear units, average pooling, rounding; against the
// reference, bit by bit.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "array.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cuda/relu.h"
#include "spikeloom/kernels/cuda/round_values.h"
#include "spikeloom/kernels/cuda/value_pool.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/relu.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::mismatches;
using kernels::test::random_values;

class ValueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(ValueTest);

constexpr std::int64_t kCounts[] = {0, 1, 7, 8, 9, 64, 1003, 100000};

TEST_P(ValueTest, ReluIsTheReferences) {
  for (const std::int64_t count : kCounts) {
    for (const std::int64_t shift : {0, 1}) {
      auto values = random_values<float>(count, 1);
      if (count > 2) values[2] = 0.0f;
      if (count > 4) values[4] = -0.0f;
      const auto gradient = random_values<float>(count, 2);
      auto want = values, want_gradient = gradient;
      reference::relu_forward(count, want.data());
      reference::relu_backward(count, want.data(), gradient.data(), want_gradient.data());
      Array<float> on_queue(queue, values, shift), grad_output(queue, gradient, shift),
          grad_input(queue, count, shift);
      relu_forward(queue, count, on_queue.data());
      EXPECT_EQ(mismatches(on_queue.values(), want), 0) << count;
      relu_backward(queue, count, on_queue.data(), grad_output.data(), grad_input.data());
      EXPECT_EQ(mismatches(grad_input.values(), want_gradient), 0) << count;
      relu_backward(queue, count, on_queue.data(), grad_output.data(), grad_output.data());
      EXPECT_EQ(mismatches(grad_output.values(), want_gradient), 0) << "in place, " << count;
    }
  }
}

TEST_P(ValueTest, ReluLetsNanThrough) {
  Array<float> values(queue, std::vector<float>{std::numeric_limits<float>::quiet_NaN(), -1.0f});
  relu_forward(queue, 2, values.data());
  EXPECT_TRUE(std::isnan(values.values()[0]));
  EXPECT_EQ(values.values()[1], 0.0f);
}

TEST_P(ValueTest, PoolingIsTheReferences) {
  for (const PoolSize& size :
       {PoolSize{1, 1, 1, 1, 1}, PoolSize{3, 4, 6, 16, 2}, PoolSize{2, 5, 7, 24, 2}, PoolSize{2, 5, 7, 5, 2},
        PoolSize{0, 4, 4, 8, 2}, PoolSize{2, 9, 8, 3, 4}, PoolSize{2, 7, 9, 8, 3}, PoolSize{3, 1, 5, 8, 2},
        PoolSize{2, 32, 32, 64, 2}}) {
    for (const std::int64_t shift : {0, 1}) {
      SCOPED_TRACE(testing::Message()
                   << size.images << " images of " << size.height << " x " << size.width << " x "
                   << size.channels << ", kernel " << size.kernel << ", shift " << shift);
      const std::int64_t inputs = size.images * size.height * size.width * size.channels;
      const std::int64_t outputs = size.images * size.output_height() * size.output_width() * size.channels;
      const auto values = random_values<float>(inputs, 1), gradient = random_values<float>(outputs, 2);
      std::vector<float> want(gradient.size()), want_gradient(values.size());
      reference::avg_pool_forward(size, values.data(), want.data());
      reference::avg_pool_backward(size, gradient.data(), want_gradient.data());
      Array<float> input(queue, values, shift), output(queue, outputs, shift),
          grad_output(queue, gradient, shift), grad_input(queue, inputs, shift);
      value_pool_forward(queue, size, input.data(), output.data());
      EXPECT_EQ(mismatches(output.values(), want), 0);
      value_pool_backward(queue, size, grad_output.data(), grad_input.data());
      EXPECT_EQ(mismatches(grad_input.values(), want_gradient), 0);
    }
  }
}

TEST_P(ValueTest, PoolingNeedsAWindow) {
  EXPECT_THROW(value_pool_forward(queue, {1, 4, 4, 8, 0}, nullptr, nullptr), ShapeError);
  EXPECT_THROW(value_pool_backward(queue, {1, 4, 4, 8, 0}, nullptr, nullptr), ShapeError);
}

TEST_P(ValueTest, RoundingIsThatOfFromFloat) {
  for (const std::int64_t count : kCounts) {
    for (const std::int64_t shift : {0, 1}) {
      auto values = random_values<float>(count, 3);
      if (count > 3) values[3] = 1.00390625f;  // half way: to the even one
      Array<float> input(queue, values, shift);
      Array<BFloat16> rounded(queue, count, shift);
      round_values(queue, count, input.data(), rounded.data());
      EXPECT_EQ(mismatches(floats_of(rounded.values()), floats_of(values_of<BFloat16>(values))), 0) << count;
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
