// Fixed-point weights of the event-driven layer, sums of the largest, and packed codes.
#include "spikeloom/kernels/cpu/event_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "spikeloom/kernels/cpu/integer/integer_layer.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/window_codes.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

const EventLayer kLayers[] = {{{1, 1, 1, 1, 1, 1}, 1, 0, 1},
                              {{2, 2, 4, 4, 13, 1}, 3, 1, 7},
                              {{2, 1, 5, 5, 16, 1}, 5, 2, 300},
                              {{1, 2, 3, 3, 1200, 1}, 3, 1, 33}};

std::vector<std::uint8_t> all_fire(const PackedImages& images) {
  const std::int64_t neurons = images.neurons();
  return test::packed(images.num_steps, neurons,
                      std::vector<float>(static_cast<std::size_t>(images.num_steps * neurons), 1.0f));
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

TEST(EventLayer, FixedPointWeightsRoundByHalfAScale) {
  for (const EventLayer& layer : kLayers) {
    auto weights = test::random_values<float>(layer.weight_rows() * layer.filters, 9);
    for (std::int64_t row = 0; row < layer.weight_rows(); ++row)
      weights[static_cast<std::size_t>(row * layer.filters)] = 0.0f;
    const auto got = cpu::fixed_point_weights(layer, weights.data(), row_strides(layer));
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
    const auto spikes = all_fire(layer.images);
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

// As the runtime calls it: any pixels of several steps, in room for so many of any place.
TEST(EventLayer, RangesOfPixelsAreThoseOfTheWhole) {
  const EventLayer layers[] = {{{3, 1, 7, 7, 40, 1}, 3, 1, 70},
                               {{3, 1, 9, 8, 13, 2}, 3, 0, 33},
                               {{2, 1, 6, 6, 800, 1}, 5, 0, 64},
                               {{5, 1, 1, 1, 900, 1}, 1, 0, 20},
                               {{2, 1, 6, 4, 70, 2}, 1, 0, 40}};
  for (const EventLayer& layer : layers) {
    SCOPED_TRACE(layer.images.channels);
    const std::int64_t neurons = layer.images.neurons(), filters = layer.filters;
    auto values = test::random_values<float>(layer.images.num_steps * neurons, 3);
    for (float& value : values) value = value > 0.5f ? 1.0f : 0.0f;
    const auto spikes = test::packed(layer.images.num_steps, neurons, values);
    const auto weights = test::random_values<float>(layer.weight_rows() * filters, 9);
    const auto fixed = cpu::fixed_point_weights(layer, weights.data(), row_strides(layer));
    std::vector<float> whole(static_cast<std::size_t>(layer.output_pixels() * filters));
    cpu::event_forward(layer, spikes.data(), fixed, nullptr, whole.data());
    std::vector<float> scale = fixed.scale;
    for (float& one : scale) one /= static_cast<float>(layer.images.pool * layer.images.pool);
    for (const std::int64_t length : {1, 3, 20, 100}) {
      cpu::EventForwardRoom room;
      room.fit(layer, std::min(length, layer.output_pixels()));
      std::int64_t additions = 0;
      for (std::int64_t begin = 0; begin < layer.output_pixels(); begin += length) {
        const std::int64_t end = std::min(begin + length, layer.output_pixels());
        std::vector<float> part(static_cast<std::size_t>((end - begin) * filters));
        cpu::event_forward_pixels(layer, spikes.data(), fixed, scale.data(), nullptr, begin, end, room,
                                  part.data());
        for (std::size_t i = 0; i < part.size(); ++i) {
          ASSERT_EQ(part[i], whole[static_cast<std::size_t>(begin * filters) + i]);
        }
        additions += room.lists.additions();
      }
      if (layer.kernel > 1) continue;
      EXPECT_EQ(additions, std::count(values.begin(), values.end(), 1.0f)) << "each spike once";
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

TEST(IntegerLayer, GradientsThatAreNotFiniteShow) {
  const EventLayer layer{{1, 2, 5, 4, 8, 1}, 3, 1, 20};
  if (!cpu::can_multiply_integers(layer)) GTEST_SKIP() << "no products of 16-bit integers here";
  const auto spikes = all_fire(layer.images);
  const std::vector<float> weights(static_cast<std::size_t>(layer.weight_rows() * layer.filters), 0.5f);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::vector<float> gradient(static_cast<std::size_t>(layer.output_pixels() * layer.filters), 0.25f);
    gradient[3] = bad;  // of filter 3
    auto grad_weights = weights;
    cpu::integer_weight_gradient(layer, spikes.data(), gradient.data(), grad_weights.data(),
                                 row_strides(layer));
    for (std::int64_t i = 0; i < layer.weight_rows() * layer.filters; ++i) {
      EXPECT_EQ(std::isnan(grad_weights[static_cast<std::size_t>(i)]), i % layer.filters == 3);
    }
    std::vector<float> grad_input(static_cast<std::size_t>(layer.images.neurons()), 0.0f);
    cpu::integer_input_gradient(layer, gradient.data(), weights.data(), row_strides(layer),
                                grad_input.data());
    EXPECT_TRUE(std::isnan(grad_input.front()));
  }
}

}  // namespace
}  // namespace spikeloom::kernels
