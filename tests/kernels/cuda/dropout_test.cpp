// Dropout of a captured step.
#include "spikeloom/kernels/cuda/dropout.h"

#include <gtest/gtest.h>

#include "array.h"
#include "spikeloom/kernels/reference/dropout.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

constexpr std::uint64_t kIteration = 0x123456789abcu, kKey = 0xfedcba9876543210u;

std::vector<float> dropped(std::int64_t steps, std::int64_t elements, const DropoutDraw& draw,
                           std::vector<float> values) {
  const DropoutSize size{steps, elements, draw.same_mask_each_step};
  reference::dropout_apply(size, draw.rate, {draw.key, draw.layer << 48 | kIteration}, values.data(),
                           values.data());
  return values;
}

class DropoutQueueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(DropoutQueueTest);

// What a captured step does: the iteration is counted on the queue, and each draws another mask.
TEST_P(DropoutQueueTest, ReadsTheIterationWhenItRuns) {
  Array<std::uint64_t> iteration(queue, std::vector<std::uint64_t>{kIteration - 1});
  DropoutDraw draw;
  draw.iteration = iteration.data();
  draw.key = kKey;
  draw.rate = 0.5;
  const std::vector<float> ones(800, 1.0f);
  Array<float> input(queue, ones), first(queue, 800), second(queue, 800);
  apply_dropout(queue, {1, 800}, draw, input.data(), first.data());
  increment(queue, iteration.data());
  apply_dropout(queue, {1, 800}, draw, input.data(), second.data());
  EXPECT_EQ(iteration.value(), kIteration);
  EXPECT_EQ(second.values(), dropped(1, 800, draw, ones));
  EXPECT_NE(first.values(), second.values());
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
