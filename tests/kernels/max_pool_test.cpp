// Max pooling of spikes and of values: CPU kernels against the reference; the reference against finite
// differences, and the two kinds of it against each other.
#include "spikeloom/kernels/cpu/max_pool.h"

#include <gtest/gtest.h>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/max_pool.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Case {
  std::int64_t steps, batch, height, width, channels, factor;
};

const Case kCases[] = {{1, 1, 1, 1, 1, 1},   {1, 1, 1, 1, 3, 2},  {3, 2, 4, 6, 16, 2},   {2, 3, 5, 7, 19, 2},
                       {4, 1, 9, 8, 33, 3},  {1, 2, 8, 8, 64, 2}, {2, 2, 6, 5, 131, 2},  {0, 2, 4, 4, 8, 2},
                       {2, 0, 4, 4, 8, 2},   {2, 2, 4, 4, 0, 2},  {3, 2, 17, 16, 67, 4}, {2, 1, 3, 9, 5, 1},
                       {2, 5, 12, 12, 24, 2}};

PackedImages images_of(const Case& c) { return {c.steps, c.batch, c.height, c.width, c.channels, 1}; }
PoolSize pool_of(const Case& c) { return {c.steps * c.batch, c.height, c.width, c.channels, c.factor}; }

Bytes pack(const PackedImages& images, const std::vector<float>& values) {
  const std::int64_t stride = packed_bytes(images.neurons());
  Bytes bits(static_cast<std::size_t>(images.num_steps * stride), 0);
  for (std::int64_t t = 0; t < images.num_steps; ++t) {
    for (std::int64_t i = 0; i < images.neurons(); ++i) {
      set_bit(bits.data() + t * stride, i, values[static_cast<std::size_t>(t * images.neurons() + i)] != 0);
    }
  }
  return bits;
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

template <class T>
void compare_spikes(const Case& c, double rate) {
  const PackedImages images = images_of(c), out = max_pooled(images, c.factor);
  const Bytes spikes = pack(images, test::random_spikes<float>(c.steps * images.neurons(), 1, rate));
  Bytes want(static_cast<std::size_t>(c.steps * packed_bytes(out.neurons())), 0xff), got = want;
  reference::max_pool_spikes(images, c.factor, spikes.data(), want.data());
  cpu::max_pool_spikes(images, c.factor, spikes.data(), got.data());
  ASSERT_EQ(got, want);
  const auto gradient = values_of<T>(test::random_values<float>(c.steps * out.neurons(), 2));
  std::vector<T> want_gradient(static_cast<std::size_t>(c.steps * images.neurons()),
                               from_float<T>(std::nanf(""))),
      got_gradient = want_gradient;
  reference::max_pool_spikes_backward(images, c.factor, gradient.data(), spikes.data(), want_gradient.data());
  cpu::max_pool_spikes_backward(images, c.factor, gradient.data(), spikes.data(), got_gradient.data());
  ASSERT_EQ(test::mismatches(floats_of(got_gradient), floats_of(want_gradient)), 0);
}

template <class T>
void compare_values(const Case& c) {
  const PoolSize size = pool_of(c);
  const std::int64_t count = size.images * size.height * size.width * size.channels,
                     pooled = size.images * size.output_height() * size.output_width() * size.channels;
  auto floats = test::random_values<float>(count, 3);
  for (std::size_t i = 0; i < floats.size(); ++i) {
    if (i % 3 == 0) floats[i] = std::max(floats[i], 0.0f);  // as behind a ReLU: equal maxima
    if (i % 41 == 40) floats[i] = std::numeric_limits<float>::max() / 2;
  }
  const auto input = values_of<T>(floats), gradient = values_of<T>(test::random_values<float>(pooled, 4));
  const T poison = from_float<T>(std::nanf(""));
  std::vector<T> want(static_cast<std::size_t>(pooled), poison), got = want;
  reference::max_pool_forward(size, input.data(), want.data());
  cpu::max_pool_forward(size, input.data(), got.data());
  ASSERT_EQ(test::mismatches(floats_of(got), floats_of(want)), 0);
  std::vector<T> want_gradient(input.size(), poison), got_gradient = want_gradient;
  reference::max_pool_backward(size, gradient.data(), input.data(), want_gradient.data());
  cpu::max_pool_backward(size, gradient.data(), input.data(), got_gradient.data());
  ASSERT_EQ(test::mismatches(floats_of(got_gradient), floats_of(want_gradient)), 0);
}

TEST(MaxPool, EqualsItsReferenceAtEverySimdLevel) {
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const int threads : {1, 3}) {
      const test::ThreadCount count(threads);
      for (const Case& c : kCases) {
        SCOPED_TRACE(testing::Message() << level << " " << c.height << "x" << c.width << "x" << c.channels
                                        << " factor " << c.factor);
        for (const double rate : {0.05, 0.4}) {
          compare_spikes<float>(c, rate);
          compare_spikes<BFloat16>(c, rate);
        }
        compare_values<float>(c);
        compare_values<BFloat16>(c);
      }
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
}

TEST(MaxPool, OfSpikesIsThatOfTheirValues) {
  for (const Case& c : kCases) {
    const PackedImages images = images_of(c), out = max_pooled(images, c.factor);
    const auto values = test::random_spikes<float>(c.steps * images.neurons(), 1, 0.2);
    const auto gradient = test::random_values<float>(c.steps * out.neurons(), 2);
    const Bytes spikes = pack(images, values);
    Bytes pooled(static_cast<std::size_t>(c.steps * packed_bytes(out.neurons())));
    reference::max_pool_spikes(images, c.factor, spikes.data(), pooled.data());
    std::vector<float> pooled_values(gradient.size()), from_bits(values.size()), from_values(values.size());
    reference::max_pool_forward(pool_of(c), values.data(), pooled_values.data());
    EXPECT_EQ(pooled, pack(out, pooled_values));
    reference::max_pool_spikes_backward(images, c.factor, gradient.data(), spikes.data(), from_bits.data());
    reference::max_pool_backward(pool_of(c), gradient.data(), values.data(), from_values.data());
    EXPECT_EQ(from_bits, from_values);
  }
}

TEST(MaxPool, GradientEqualsFiniteDifferences) {
  constexpr double kStep = 1e-6;
  const PoolSize size{2, 5, 7, 3, 2};
  std::vector<double> input(static_cast<std::size_t>(2 * 5 * 7 * 3));
  std::mt19937 generator(1);
  std::normal_distribution<double> normal;
  for (double& value : input) value = normal(generator);  // no two within kStep
  const auto weights = test::random_values<double>(2 * 2 * 3 * 3, 2);
  std::vector<double> output(weights.size()), gradient(input.size());
  reference::max_pool_backward(size, weights.data(), input.data(), gradient.data());
  const auto loss = [&] {
    reference::max_pool_forward(size, input.data(), output.data());
    double sum = 0.0;
    for (std::size_t i = 0; i < output.size(); ++i) sum += weights[i] * output[i];
    return sum;
  };
  for (std::size_t i = 0; i < input.size(); ++i) {
    const double value = input[i];
    input[i] = value + kStep;
    const double above = loss();
    input[i] = value - kStep;
    const double below = loss();
    input[i] = value;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-8) << i;
  }
}

// The first that fires, or the first pixel; written out.
TEST(MaxPool, GradientGoesToTheFirstThatFires) {
  const PackedImages images{1, 1, 2, 4, 1, 1};
  const std::uint8_t spikes[8] = {0b01000010};  // (0, 1) and (1, 2) fire
  const float gradient[2] = {3.0f, 5.0f};
  float got[8];
  reference::max_pool_spikes_backward(images, 2, gradient, spikes, got);
  EXPECT_EQ(std::vector<float>(got, got + 8), (std::vector<float>{0, 3, 0, 0, 0, 0, 5, 0}));
  const std::uint8_t silent[8] = {};
  reference::max_pool_spikes_backward(images, 2, gradient, silent, got);
  EXPECT_EQ(std::vector<float>(got, got + 8), (std::vector<float>{3, 0, 5, 0, 0, 0, 0, 0}));
}

TEST(MaxPool, NaNIsTheMaximum) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const PoolSize size{1, 2, 2, 1, 2};
  for (int at = 0; at < 4; ++at) {
    std::vector<float> input{1.0f, 3.0f, 2.0f, 0.0f}, want(4, 0.0f);
    input[static_cast<std::size_t>(at)] = kNaN;
    want[static_cast<std::size_t>(at)] = 7.0f;
    const float gradient = 7.0f;
    float output = 0.0f;
    std::vector<float> got(4);
    cpu::max_pool_forward(size, input.data(), &output);
    EXPECT_TRUE(std::isnan(output));
    cpu::max_pool_backward(size, &gradient, input.data(), got.data());
    EXPECT_EQ(got, want);
    reference::max_pool_backward(size, &gradient, input.data(), got.data());
    EXPECT_EQ(got, want);
  }
}

}  // namespace
}  // namespace spikeloom::kernels
