// Kernels on values that are no spikes: NaN, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "array.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cuda/max_pool.h"
#include "spikeloom/kernels/cuda/relu.h"
#include "spikeloom/kernels/cuda/value_pool.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

class ValueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(ValueTest);

TEST_P(ValueTest, ReluLetsNanThrough) {
  Array<float> values(queue, std::vector<float>{std::numeric_limits<float>::quiet_NaN(), -1.0f});
  relu_forward(queue, 2, values.data());
  EXPECT_TRUE(std::isnan(values.values()[0]));
  EXPECT_EQ(values.values()[1], 0.0f);
}

TEST_P(ValueTest, PoolingNeedsAWindow) {
  EXPECT_THROW(value_pool_forward(queue, {1, 4, 4, 8, 0}, nullptr, nullptr), ShapeError);
  EXPECT_THROW(value_pool_backward(queue, {1, 4, 4, 8, 0}, nullptr, nullptr), ShapeError);
  EXPECT_THROW(max_pool_spikes(queue, {1, 1, 2, 2, 8, 1}, 0, nullptr, nullptr), ShapeError);
  EXPECT_THROW(max_pool_forward<float>(queue, {1, 2, 2, 8, 0}, nullptr, nullptr), ShapeError);
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
