// The event-driven layer against its reference, and its fixed-point weights against the weights.
#include "spikeloom/kernels/cpu/event_layer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/window_codes.h"
#include "spikeloom/kernels/cpu/window_gradient.h"
#include "spikeloom/kernels/reference/event_layer.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

const std::vector<EventLayer>& layers() {
  static const std::vector<EventLayer> all = {
      {{1, 1, 1, 1, 1, 1}, 1, 0, 1},      // the smallest
      {{2, 3, 5, 4, 8, 1}, 3, 1, 32},     // whole bytes, one vector of filters
      {{3, 2, 6, 7, 64, 1}, 3, 1, 100},   // whole words, filters that fill no vector
      {{2, 2, 4, 4, 13, 1}, 3, 1, 7},     // channels that begin within a byte
      {{2, 2, 8, 8, 16, 2}, 3, 1, 40},    // behind average pooling
      {{1, 2, 7, 9, 24, 3}, 3, 2, 5},     // pooling with a rest, a frame as wide as the kernel allows
      {{2, 1, 5, 5, 16, 1}, 5, 2, 300},   // more filters than a block has
      {{2, 1, 6, 6, 8, 1}, 5, 0, 3},      // no padding
      {{4, 9, 1, 1, 300, 1}, 1, 0, 65},   // fully connected
      {{1, 2, 3, 3, 1200, 1}, 3, 1, 33},  // lists in several parts, sums longer than 16 bits hold
      {{1, 2, 37, 29, 40, 1}, 3, 1, 70},  // images in several pieces
      {{3, 3, 6, 5, 9, 1}, 5, 2, 65},     // several images a piece, a kernel of five
      {{1, 1, 8, 8, 530, 4}, 2, 1, 32},   // pooling by four, an even kernel, channels in parts
      {{2, 1, 43, 39, 72, 2}, 3, 1, 96},  // behind pooling: several blocks of pixels, a block of 32 filters
      {{1, 2, 9, 7, 13, 2}, 3, 1, 64},    // pooled channels that begin within a byte
      {{1, 2, 7, 8, 392, 3}, 3, 1, 130},  // pooling by three, channels in parts
      {{1, 1, 40, 40, 3, 20}, 1, 0, 32},  // counts of nine digits
  };
  return all;
}

std::vector<std::uint8_t> random_spikes(const PackedImages& images, float rate) {
  const auto values = test::random_values<float>(images.num_steps * images.neurons(), 5);
  std::vector<float> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const float limit = rate >= 1.0f
                          ? sorted.back() + 1.0f
                          : sorted[static_cast<std::size_t>(rate * static_cast<float>(sorted.size()))];
  const std::int64_t stride = packed_bytes(images.neurons());
  std::vector<std::uint8_t> spikes(static_cast<std::size_t>(images.num_steps * stride), 0);
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    for (std::int64_t i = 0; i < images.neurons(); ++i) {
      set_bit(spikes.data() + t * stride, i,
              values[static_cast<std::size_t>(t * images.neurons() + i)] < limit);
    }
  }
  return spikes;
}

template <class T>
std::vector<T> values_of(const std::vector<float>& floats) {
  std::vector<T> values;
  for (const float value : floats) values.push_back(from_float<T>(value));
  return values;
}

template <class T>
std::vector<float> floats_of(const std::vector<T>& values) {
  std::vector<float> floats;
  for (const T value : values) floats.push_back(to_float(value));
  return floats;
}

/// Calls function once for every SIMD level and number of threads.
template <class Function>
void everywhere(const Function& function) {
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(level + ", " + std::to_string(threads) + " threads");
      const test::ThreadCount count(threads);
      function();
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
}

template <class T>
void compare(const EventLayer& layer, float rate) {
  const auto spikes = random_spikes(layer.images, rate);
  const auto weights = test::random_values<float>(layer.weight_rows() * layer.filters, 6);
  const auto bias = test::random_values<float>(layer.filters, 7);
  const auto fixed = reference::fixed_point_weights(layer, weights.data());
  const auto outputs = static_cast<std::size_t>(layer.output_pixels() * layer.filters);
  const T poison = from_float<T>(-12345.0f);
  for (const float* b : {bias.data(), static_cast<const float*>(nullptr)}) {
    std::vector<T> want(outputs, poison);
    reference::event_forward(layer, spikes.data(), fixed, b, want.data());
    everywhere([&] {
      std::vector<T> got(outputs, poison);
      cpu::event_forward(layer, spikes.data(), fixed, b, got.data());
      EXPECT_EQ(test::mismatches(floats_of(got), floats_of(want)), 0);
    });
  }

  const auto gradient = values_of<T>(test::random_values<float>(layer.output_pixels() * layer.filters, 8));
  std::vector<float> want(weights.size(), -12345.0f);
  reference::event_weight_gradient(layer, spikes.data(), gradient.data(), want.data());
  const std::int64_t pool = layer.images.pool;
  const bool exact = pool == 1 || (pool == 2 && sizeof(T) == 2);
  everywhere([&] {
    std::vector<float> got(weights.size(), -12345.0f);
    cpu::event_weight_gradient(layer, spikes.data(), gradient.data(), got.data(), row_strides(layer));
    EXPECT_EQ(test::mismatches(got, want, exact ? 0.0 : 1e-5 * test::largest(want)), 0);
  });
}

TEST(EventLayer, EqualsItsReferenceAtEverySimdLevelAndNumberOfThreads) {
  for (std::size_t i = 0; i < layers().size(); ++i) {
    for (const float rate : {0.0f, 0.15f, 1.0f}) {
      SCOPED_TRACE("layer " + std::to_string(i) + ", rate " + std::to_string(rate));
      compare<float>(layers()[i], rate);
      compare<BFloat16>(layers()[i], rate);
    }
  }
}

TEST(EventLayer, FixedPointWeightsEqualTheirReferenceAndRoundByHalfAScale) {
  for (const EventLayer& layer : layers()) {
    auto weights = test::random_values<float>(layer.weight_rows() * layer.filters, 9);
    for (std::int64_t row = 0; row < layer.weight_rows(); ++row)
      weights[static_cast<std::size_t>(row * layer.filters)] = 0.0f;
    const auto want = reference::fixed_point_weights(layer, weights.data());
    const auto got = cpu::fixed_point_weights(layer, weights.data(), row_strides(layer));
    ASSERT_EQ(got.stride, want.stride);
    EXPECT_EQ(got.values, want.values);
    EXPECT_EQ(got.scale, want.scale);
    for (std::int64_t i = 0; i < layer.weight_rows() * layer.filters; ++i) {
      const std::int64_t row = i / layer.filters, f = i % layer.filters;
      const float scale = got.scale[static_cast<std::size_t>(f)];
      EXPECT_NEAR(got.values[static_cast<std::size_t>(got.at(row, f))] * scale,
                  weights[static_cast<std::size_t>(i)], 0.501f * scale);
    }
  }
}

TEST(EventLayer, SumsOfTheLargestWeightsDoNotOverflow) {
  for (const std::int64_t pool : {1, 2, 3}) {
    const EventLayer layer{{1, 2, 5 * pool, 5 * pool, 512, pool}, 3, 1, 70};
    const auto spikes = random_spikes(layer.images, 1.0f);
    for (const float weight : {1.0f, -1.0f}) {
      const std::vector<float> weights(static_cast<std::size_t>(layer.weight_rows() * layer.filters), weight);
      const auto fixed = cpu::fixed_point_weights(layer, weights.data(), row_strides(layer));
      everywhere([&] {
        std::vector<float> output(static_cast<std::size_t>(layer.output_pixels() * layer.filters));
        cpu::event_forward(layer, spikes.data(), fixed, nullptr, output.data());
        EXPECT_NEAR(output[static_cast<std::size_t>(12 * 70 + 69)], weight * 9 * 512,
                    0.01);                               // the middle: all taps
        EXPECT_NEAR(output[0], weight * 4 * 512, 0.01);  // a corner: four
      });
    }
  }
}

TEST(WindowGradient, EqualsItsReferenceWhereWindowsAreOpenAndIsZeroElsewhere) {
  if (!cpu::can_skip_closed_windows(layers().front()))
    GTEST_SKIP() << "no products of pairs of bfloat16 here";
  for (const EventLayer& layer : layers()) {
    if (layer.images.pool != 1) continue;
    SCOPED_TRACE(layer.images.channels * 1000 + layer.filters);
    const auto gradient =
        values_of<BFloat16>(test::random_values<float>(layer.output_pixels() * layer.filters, 8));
    const auto weights =
        values_of<BFloat16>(test::random_values<float>(layer.weight_rows() * layer.filters, 6));
    for (const float rate : {0.0f, 0.3f, 1.0f}) {
      const auto open = random_spikes(layer.images, rate);
      const auto size = static_cast<std::size_t>(layer.images.num_steps * layer.images.neurons());
      std::vector<BFloat16> want(size), got(size, from_float<BFloat16>(-12345.0f));
      reference::window_gradient(layer, open.data(), gradient.data(), weights.data(), want.data());
      cpu::window_gradient(layer, open.data(), gradient.data(), weights.data(), row_strides(layer),
                           got.data());
      // The order of the sum differs, and the result has 8 bits.
      const double most = test::largest(floats_of(want));
      for (std::size_t i = 0; i < size; ++i) {
        const double expected = to_float(want[i]);
        ASSERT_NEAR(to_float(got[i]), expected, std::fabs(expected) / 128 + 1e-5 * most) << i;
        if (expected == 0.0) {
          ASSERT_EQ(to_float(got[i]), 0.0f) << i;  // closed
        }
      }
    }
  }
}

TEST(WindowCodes, ArePackedAndComeBack) {
  for (const std::int64_t neurons : {64, 192, 2048}) {
    const auto values = test::random_values<float>(neurons, 4);
    std::vector<std::uint8_t> codes, want(static_cast<std::size_t>(neurons), 0), packed;
    std::vector<std::uint8_t> open(static_cast<std::size_t>(packed_bytes(neurons)), 0);
    for (std::int64_t i = 0; i < neurons; ++i) {
      const float value = values[static_cast<std::size_t>(i)];
      codes.push_back(static_cast<std::uint8_t>(value > 0.9f ? 255 : value > 0.0f ? 128 : 1));
      if (i / 64 % 2 == 0 && value < -0.5f) continue;  // words that are open everywhere, and others
      set_bit(open.data(), i, true);
      want[static_cast<std::size_t>(i)] = codes.back();
      packed.push_back(codes.back());
    }
    everywhere([&] {
      std::vector<std::uint8_t> got(codes.size() + 64, 77), back(codes.size(), 0xaa);
      ASSERT_EQ(cpu::pack_codes(neurons, codes.data(), open.data(), got.data()),
                static_cast<std::int64_t>(packed.size()));
      got.resize(packed.size());
      EXPECT_EQ(got, packed);
      EXPECT_EQ(cpu::unpack_codes(neurons, packed.data() + packed.size(), open.data(), back.data()),
                static_cast<std::int64_t>(packed.size()));
      EXPECT_EQ(back, want);
    });
  }
}

// What 1023 steps cost: a current is a sum of weights, so its relative error, as a standard deviation over
// random spikes, is that of the weights. Normal weights, as a network starts with: like bfloat16's.
// docs/performance.md.
TEST(FixedPointWeights, CostCurrentsAboutWhatBfloat16Does) {
  for (const std::int64_t channels : {32, 128, 512}) {
    const EventLayer layer{{1, 1, 4, 4, channels, 1}, 3, 1, 64};
    const std::int64_t rows = layer.weight_rows();
    std::mt19937 engine(3);
    std::normal_distribution<float> normal;
    std::vector<float> weights(static_cast<std::size_t>(rows * layer.filters));
    for (float& weight : weights) weight = normal(engine);
    const auto fixed = cpu::fixed_point_weights(layer, weights.data(), row_strides(layer));
    double error = 0.0, error_bfloat16 = 0.0, norm = 0.0;
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t filter = 0; filter < layer.filters; ++filter) {
        const float weight = weights[static_cast<std::size_t>(row * layer.filters + filter)];
        const auto place = static_cast<std::size_t>(fixed.at(row, filter));
        const float rounded =
            static_cast<float>(fixed.values[place]) * fixed.scale[static_cast<std::size_t>(filter)];
        error += std::pow(static_cast<double>(rounded - weight), 2);
        error_bfloat16 += std::pow(static_cast<double>(to_float(from_float<BFloat16>(weight)) - weight), 2);
        norm += std::pow(static_cast<double>(weight), 2);
      }
    }
    const double relative = std::sqrt(error / norm), relative_bfloat16 = std::sqrt(error_bfloat16 / norm);
    EXPECT_LT(relative, 1.3e-3) << channels;
    EXPECT_GT(relative, 0.5e-3) << channels;
    EXPECT_LT(relative, relative_bfloat16) << channels;
    RecordProperty(
        std::to_string(channels) + " channels",
        std::to_string(100 * relative) + " %, bfloat16 " + std::to_string(100 * relative_bfloat16) + " %");
  }
}

}  // namespace
}  // namespace spikeloom::kernels
