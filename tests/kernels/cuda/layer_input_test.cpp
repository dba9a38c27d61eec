// What a layer reads on queues: spikes to values with NeuNorm, pooling and dropout in one pass, dropout by
// itself, and packing; against the reference's steps one after the other.
#include "spikeloom/kernels/cuda/layer_input.h"

#include <gtest/gtest.h>

#include "array.h"
#include "spikeloom/base/random.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/compact_lif.h"
#include "spikeloom/kernels/reference/dropout.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::mismatches;
using kernels::test::random_spikes;
using kernels::test::random_values;

const PackedImages kImages[] = {{1, 1, 1, 1, 1, 1},  {3, 2, 3, 5, 3, 1},  {3, 2, 4, 6, 16, 2},
                                {2, 1, 5, 7, 24, 2}, {4, 0, 4, 4, 8, 2},  {0, 2, 4, 4, 8, 2},
                                {3, 2, 5, 5, 33, 2}, {2, 1, 7, 5, 96, 2}, {3, 2, 1, 1, 128, 1},
                                {2, 3, 6, 7, 8, 3},  {2, 1, 9, 8, 5, 4},  {2, 2, 1, 1, 100, 1}};
constexpr std::uint64_t kLayer = 5, kIteration = 0x123456789abcu, kKey = 0xfedcba9876543210u;

std::vector<float> dropped(std::int64_t steps, std::int64_t elements, const DropoutDraw& draw,
                           std::vector<float> values) {
  const DropoutSize size{steps, elements, draw.same_mask_each_step};
  reference::dropout_apply(size, draw.rate, {draw.key, draw.layer << 48 | kIteration}, values.data(),
                           values.data());
  return values;
}

class LayerInputTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(LayerInputTest);

enum class NeuNormPlace { kNone, kShared, kEach, kSharedBehind, kEachBehind };

template <class T>
void check(const Queue& queue, const PackedImages& images, NeuNormPlace where, double rate, bool same_mask,
           std::int64_t shift) {
  const bool shared = where == NeuNormPlace::kShared || where == NeuNormPlace::kSharedBehind;
  const bool behind = where == NeuNormPlace::kSharedBehind || where == NeuNormPlace::kEachBehind;
  const bool has_neunorm = where != NeuNormPlace::kNone;
  const std::int64_t positions =
      behind ? images.pooled_height() * images.pooled_width() : images.height * images.width;
  const auto spikes = random_spikes<float>(images.num_steps * images.neurons(), 1);
  const auto x = random_values<float>(images.num_steps * images.batch * positions, 2);
  const auto u = random_values<float>(positions * (shared ? 1 : images.channels), 3);
  const auto subtract = [&](std::vector<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto channels = static_cast<std::size_t>(images.channels),
                 p = static_cast<std::size_t>(positions);
      const std::size_t map = i / channels;
      values[i] -= u[shared ? map % p : map % p * channels + i % channels] * x[map];
    }
    return values;
  };
  const PoolSize pool{images.num_steps * images.batch, images.height, images.width, images.channels,
                      images.pool};
  const std::int64_t elements = images.pooled_neurons();
  std::vector<float> want(static_cast<std::size_t>(images.num_steps * elements));
  reference::avg_pool_forward(pool, (has_neunorm && !behind ? subtract(spikes) : spikes).data(), want.data());
  if (has_neunorm && behind) want = subtract(want);
  Array<std::uint64_t> iteration(queue, std::vector<std::uint64_t>{kIteration});
  DropoutDraw draw;
  draw.iteration = iteration.data();
  draw.layer = kLayer;
  draw.key = kKey;
  draw.rate = rate;
  draw.same_mask_each_step = same_mask;
  if (rate > 0.0) want = dropped(images.num_steps, elements, draw, want);

  Array<float> values(queue, spikes, shift), x_array(queue, x), u_array(queue, u, shift);
  Array<std::uint8_t> packed(queue, images.num_steps * packed_bytes(images.neurons()));
  pack_spikes(queue, images.num_steps, images.neurons(), values.data(), packed.data());
  Array<T> got(queue, images.num_steps * elements, shift);
  const NeuNormInput neunorm{x_array.data(), u_array.data(), shared, behind};
  layer_input(queue, images, packed.data(), has_neunorm ? &neunorm : nullptr, rate > 0.0 ? &draw : nullptr,
              got.data());
  ASSERT_EQ(mismatches(floats_of(got.values()), floats_of(values_of<T>(want))), 0);
}

TEST_P(LayerInputTest, EqualsTheReferencesStepsInTurn) {
  for (const PackedImages& images : kImages) {
    for (const auto where : {NeuNormPlace::kNone, NeuNormPlace::kShared, NeuNormPlace::kEach,
                             NeuNormPlace::kSharedBehind, NeuNormPlace::kEachBehind}) {
      for (const double rate : {0.0, 0.3}) {
        for (const bool same_mask : {false, true}) {
          for (const std::int64_t shift : {0, 1}) {
            SCOPED_TRACE(testing::Message() << "channels " << images.channels << " pool " << images.pool
                                            << " neunorm " << static_cast<int>(where) << " rate " << rate
                                            << " same " << same_mask << " shift " << shift);
            check<float>(queue, images, where, rate, same_mask, shift);
            check<BFloat16>(queue, images, where, rate, same_mask, shift);
          }
        }
      }
    }
  }
}

TEST_P(LayerInputTest, PackedSpikesAreTheReferences) {
  for (const std::int64_t neurons : {1, 7, 8, 63, 64, 65, 200}) {
    const auto spikes = random_spikes<float>(3 * neurons, 9);
    const std::int64_t stride = packed_bytes(neurons);
    std::vector<std::uint8_t> want(static_cast<std::size_t>(3 * stride), 0), bytes;
    for (std::int64_t i = 0; i < 3 * neurons; ++i) {
      set_bit(want.data() + i / neurons * stride, i % neurons, spikes[static_cast<std::size_t>(i)] != 0.0f);
    }
    for (const float value : spikes) bytes.push_back(value != 0.0f ? 1 : 0);
    const auto pack = [&](const auto& values) {
      using T = typename std::decay_t<decltype(values)>::value_type;
      Array<T> from(queue, values);
      Array<std::uint8_t> to(queue, 3 * stride);
      pack_spikes(queue, 3, neurons, from.data(), to.data());
      EXPECT_EQ(to.values(), want) << neurons;
    };
    pack(spikes);
    pack(values_of<BFloat16>(spikes));
    pack(bytes);
  }
}

class DropoutQueueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(DropoutQueueTest);

template <class T>
void check_dropout(const Queue& queue, const DropoutSize& size, const DropoutDraw& draw, std::int64_t shift) {
  const auto values = values_of<T>(random_values<float>(size.num_steps * size.elements, 1));
  const auto want = floats_of(values_of<T>(dropped(size.num_steps, size.elements, draw, floats_of(values))));
  Array<T> input(queue, values, shift), output(queue, static_cast<std::int64_t>(values.size()), shift);
  apply_dropout(queue, size, draw, input.data(), output.data());
  EXPECT_EQ(mismatches(floats_of(output.values()), want), 0);
  apply_dropout(queue, size, draw, input.data(), input.data());
  EXPECT_EQ(mismatches(floats_of(input.values()), want), 0) << "in place";
}

TEST_P(DropoutQueueTest, EqualsTheReference) {
  Array<std::uint64_t> iteration(queue, std::vector<std::uint64_t>{kIteration});
  for (const DropoutSize& size : {DropoutSize{0, 5}, DropoutSize{3, 0}, DropoutSize{1, 1}, DropoutSize{3, 7},
                                  DropoutSize{2, 2048}, DropoutSize{5, 2049}, DropoutSize{3, 90000}}) {
    for (const double rate : {0.0, 0.1, 0.5, 0.999999, 1.0}) {
      for (const bool same_mask : {false, true}) {
        DropoutDraw draw;
        draw.iteration = iteration.data();
        draw.layer = 65535;
        draw.key = kKey;
        draw.rate = rate;
        draw.same_mask_each_step = same_mask;
        SCOPED_TRACE(testing::Message()
                     << "elements " << size.elements << " rate " << rate << " same " << same_mask);
        for (const std::int64_t shift : {0, 1}) {
          check_dropout<float>(queue, size, draw, shift);
          check_dropout<BFloat16>(queue, size, draw, shift);
        }
      }
    }
  }
}

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
