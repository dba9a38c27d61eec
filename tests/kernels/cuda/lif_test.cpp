// LIF with compact state on queues: NeuNorm's share of the gradient, and what is refused.
#include <gtest/gtest.h>

#include "array.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cuda/compact_lif.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/compact_lif.h"
#include "tests/kernels/backends.h"
#include "tests/kernels/harness/neurons.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::mismatches;
using kernels::test::random_values;
using Bytes = std::vector<std::uint8_t>;

struct Case {
  std::int64_t steps, batch, height, width, channels, pool;
  bool is_static;
  std::int64_t shift = 0;  // elements that pointers are away from a vector
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {1, 1, 1, 1, 1, 1, false},    {4, 2, 3, 5, 3, 1, false},    {3, 2, 4, 6, 16, 2, false},
      {3, 1, 5, 7, 24, 2, false},   {9, 3, 8, 8, 64, 2, true},    {2, 5, 1, 1, 100, 1, false},
      {5, 1, 9, 7, 8, 3, true},     {2, 4, 12, 12, 32, 2, false}, {4, 0, 4, 4, 8, 2, false},
      {0, 2, 4, 4, 8, 2, false},    {5, 1, 3, 3, 8, 1, false},    {6, 2, 5, 5, 33, 2, false},
      {2, 1, 7, 5, 96, 2, false},   {3, 2, 1, 1, 128, 1, true},   {3, 1, 5, 5, 5, 2, true},
      {4, 1, 4, 4, 8, 2, false, 1}, {8, 1, 7, 7, 16, 4, false}};
  return all;
}

std::vector<NeuronParams> variants() {
  std::vector<NeuronParams> all = kernels::harness::plain_neurons();
  for (const auto& params : kernels::test::general_neurons()) all.push_back(params);
  return all;
}

std::string describe(const Case& c, const NeuronParams& params) {
  return "T " + std::to_string(c.steps) + " N " + std::to_string(c.batch) + " " + std::to_string(c.height) +
         "x" + std::to_string(c.width) + "x" + std::to_string(c.channels) + " pool " +
         std::to_string(c.pool) + (c.is_static ? " static" : "") + ", surrogate " +
         std::to_string(static_cast<int>(params.surrogate)) + ", reset " +
         std::to_string(static_cast<int>(params.reset)) + (params.detach_reset ? ", detached" : "");
}

/// What the reference keeps.
struct Expected {
  Expected(const Case& c, const NeuronParams& neuron)
      : images{c.steps, c.batch, c.height, c.width, c.channels, c.pool},
        size{c.steps, images.neurons(), c.is_static},
        params(neuron),
        packed(packed_bytes(size.neurons)) {
    const std::int64_t rows = c.is_static ? 1 : c.steps;
    const auto current = random_values<float>(rows * size.neurons, 3);
    spikes.assign(static_cast<std::size_t>(c.steps * packed), 0);
    state.assign(static_cast<std::size_t>(c.steps * state_bytes(params, size.neurons)), 0);
    reference::compact_lif_forward_range(size, params, current.data(), spikes.data(), state.data(), 0,
                                         size.neurons);
  }

  PackedImages images;
  LifSize size;
  NeuronParams params;
  std::int64_t packed;
  Bytes spikes, state;
};

class LifQueueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(LifQueueTest);

TEST_P(LifQueueTest, ParameterGradientsNeedTheCodesOfAllNeurons) {
  double parameters[2];
  EXPECT_THROW((compact_lif_backward<float, float>(queue, {1, 8, false}, {}, {1, 1, 1, 1, 8, 1}, nullptr, {},
                                                   nullptr, nullptr, nullptr, parameters, nullptr)),
               ShapeError);
}

// NeuNorm's share: the same as a gradient that was spread over the pooling and added up before, without
// pooling.
TEST_P(LifQueueTest, BackwardAddsTheShareOfNeuNorm) {
  constexpr float kCoefficient = 0.125f;
  for (const Case& c : cases()) {
    for (const bool after_pooling : {false, true}) {
      for (const auto& params :
           {variants()[0], variants()[1], variants()[4], variants()[16], variants()[21]}) {
        SCOPED_TRACE(describe(c, params) + (after_pooling ? ", behind the pooling" : ""));
        const Expected kept(c, params);
        const PackedImages& images = kept.images;
        const PoolSize pool{c.steps * c.batch, c.height, c.width, c.channels, c.pool};
        const std::int64_t maps =
            c.batch * (after_pooling ? images.pooled_height() * images.pooled_width() : c.height * c.width);
        const auto gradient = random_values<float>(c.steps * images.pooled_neurons(), 4);
        const auto dx_values = random_values<float>(c.steps * maps, 6);
        std::vector<float> pooled = gradient, spread(static_cast<std::size_t>(c.steps * kept.size.neurons));
        const auto add = [&](std::vector<float>& to) {
          for (std::size_t i = 0; i < to.size(); ++i) {
            to[i] += kCoefficient * dx_values[i / static_cast<std::size_t>(c.channels)];
          }
        };
        if (after_pooling) add(pooled);
        reference::avg_pool_backward(pool, pooled.data(), spread.data());
        if (!after_pooling) add(spread);
        PackedImages unpooled = images;
        unpooled.pool = 1;
        std::vector<float> want(static_cast<std::size_t>((c.is_static ? 1 : c.steps) * kept.size.neurons));
        reference::compact_lif_backward_range(kept.size, params, unpooled, spread.data(), kept.spikes.data(),
                                              kept.state.data(), want.data(), 0, kept.size.neurons);
        Array<float> grad_pooled(queue, gradient, c.shift), dx(queue, dx_values);
        Array<std::uint8_t> spikes(queue, kept.spikes), state(queue, kept.state, c.shift);
        Array<float> got(queue, static_cast<std::int64_t>(want.size()), c.shift);
        compact_lif_backward(queue, kept.size, params, images, grad_pooled.data(),
                             {dx.data(), static_cast<double>(kCoefficient), after_pooling}, spikes.data(),
                             state.data(), got.data());
        ASSERT_EQ(mismatches(got.values(), want, 1e-30), 0);  // 0 has two signs
      }
    }
  }
}

TEST(LifQueue, RefusesSizesThatContradictEachOther) {
  std::uint8_t spikes[8];
  const float current[8] = {};
  EXPECT_THROW(compact_lif_forward<float>({}, {1, 8, false}, {}, {1, 1, 1, 1, 7, 1}, current, nullptr,
                                          {spikes, nullptr, nullptr, nullptr}),
               ShapeError);
}

TEST(LifQueue, DeviceQueueNeedsADevice) {
  if (device_count() > 0) GTEST_SKIP() << "there is a device";
  std::uint8_t spikes[8];
  const float current[8] = {};
  Queue queue;
  queue.on_device = true;
  try {
    compact_lif_forward<float>(queue, {1, 8, false}, {}, {1, 1, 1, 1, 8, 1}, current, nullptr,
                               {spikes, nullptr, nullptr, nullptr});
    FAIL() << "nothing was thrown";
  } catch (const DeviceError& error) {
    EXPECT_EQ(std::string(error.what()).find("compact_lif_forward: "), 0u) << error.what();
  }
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
