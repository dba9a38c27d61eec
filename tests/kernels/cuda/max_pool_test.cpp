// Max pooling on queues against the reference: every size, alignment and type.
#include "spikeloom/kernels/cuda/max_pool.h"

#include <gtest/gtest.h>

#include "array.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/reference/max_pool.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::mismatches;
using kernels::test::random_spikes;
using kernels::test::random_values;

struct Case {
  std::int64_t steps, batch, height, width, channels, factor, shift;
};

const Case kCases[] = {{1, 1, 1, 1, 1, 1, 0},   {1, 1, 1, 1, 3, 2, 0},    {3, 2, 4, 6, 16, 2, 0},
                       {2, 3, 5, 7, 19, 2, 0},  {4, 1, 9, 8, 33, 3, 0},   {1, 2, 8, 8, 64, 2, 1},
                       {2, 2, 6, 5, 130, 2, 0}, {0, 2, 4, 4, 8, 2, 0},    {2, 0, 4, 4, 8, 2, 0},
                       {2, 2, 4, 4, 0, 2, 0},   {3, 2, 17, 16, 40, 4, 0}, {2, 5, 13, 12, 24, 2, 0}};

class MaxPoolQueueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(MaxPoolQueueTest);

template <class T>
void check_spikes(const Queue& queue, const Case& c, double rate) {
  const PackedImages images{c.steps, c.batch, c.height, c.width, c.channels, 1};
  const PackedImages out = max_pooled(images, c.factor);
  const std::int64_t stride = packed_bytes(images.neurons());
  std::vector<std::uint8_t> bits(static_cast<std::size_t>(c.steps * stride), 0);
  const auto fired = random_spikes<float>(c.steps * images.neurons(), 1, rate);
  for (std::int64_t t = 0; t < c.steps; ++t) {
    for (std::int64_t i = 0; i < images.neurons(); ++i) {
      set_bit(bits.data() + t * stride, i, fired[static_cast<std::size_t>(t * images.neurons() + i)] != 0);
    }
  }
  std::vector<std::uint8_t> want(static_cast<std::size_t>(c.steps * packed_bytes(out.neurons())));
  reference::max_pool_spikes(images, c.factor, bits.data(), want.data());
  Array<std::uint8_t> spikes(queue, bits), pooled(queue, static_cast<std::int64_t>(want.size()));
  max_pool_spikes(queue, images, c.factor, spikes.data(), pooled.data());
  ASSERT_EQ(pooled.values(), want);
  const auto gradients = values_of<T>(random_values<float>(c.steps * out.neurons(), 2));
  std::vector<T> want_gradient(static_cast<std::size_t>(c.steps * images.neurons()));
  reference::max_pool_spikes_backward(images, c.factor, gradients.data(), bits.data(), want_gradient.data());
  Array<T> gradient(queue, gradients, c.shift), got(queue, c.steps * images.neurons(), c.shift);
  max_pool_spikes_backward(queue, images, c.factor, gradient.data(), spikes.data(), got.data());
  ASSERT_EQ(mismatches(floats_of(got.values()), floats_of(want_gradient)), 0);
}

template <class T>
void check_values(const Queue& queue, const Case& c) {
  const PoolSize size{c.steps * c.batch, c.height, c.width, c.channels, c.factor};
  const std::int64_t count = size.images * size.height * size.width * size.channels,
                     pooled = size.images * size.output_height() * size.output_width() * size.channels;
  auto floats = random_values<float>(count, 3);
  for (std::size_t i = 0; i < floats.size(); i += 3) floats[i] = std::max(floats[i], 0.0f);
  const auto values = values_of<T>(floats), gradients = values_of<T>(random_values<float>(pooled, 4));
  std::vector<T> want(gradients.size()), want_gradient(values.size());
  reference::max_pool_forward(size, values.data(), want.data());
  reference::max_pool_backward(size, gradients.data(), values.data(), want_gradient.data());
  Array<T> input(queue, values, c.shift), output(queue, pooled, c.shift);
  max_pool_forward(queue, size, input.data(), output.data());
  ASSERT_EQ(mismatches(floats_of(output.values()), floats_of(want)), 0);
  Array<T> gradient(queue, gradients, c.shift), got(queue, count, c.shift);
  max_pool_backward(queue, size, gradient.data(), input.data(), got.data());
  ASSERT_EQ(mismatches(floats_of(got.values()), floats_of(want_gradient)), 0);
}

TEST_P(MaxPoolQueueTest, EqualsTheReference) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.steps << " " << c.batch << " " << c.height << "x" << c.width << "x"
                                    << c.channels << " factor " << c.factor << " shift " << c.shift);
    for (const double rate : {0.05, 0.4}) {
      check_spikes<float>(queue, c, rate);
      check_spikes<BFloat16>(queue, c, rate);
    }
    check_values<float>(queue, c);
    check_values<BFloat16>(queue, c);
  }
}

TEST_P(MaxPoolQueueTest, RefusesAFactorBelowOne) {
  EXPECT_THROW(max_pool_spikes(queue, {1, 1, 2, 2, 8, 1}, 0, nullptr, nullptr), ShapeError);
  EXPECT_THROW(max_pool_forward<float>(queue, {1, 2, 2, 8, 0}, nullptr, nullptr), ShapeError);
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
