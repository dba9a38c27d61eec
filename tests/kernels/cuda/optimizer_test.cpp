// Sums over gradients, clipping and the optimisers on queues, against plain loops in double.
#include "spikeloom/kernels/cuda/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "array.h"
#include "spikeloom/kernels/cuda/bias_gradient.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/gradient_norm.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::random_values;

class GradientSumTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(GradientSumTest);

template <class T>
void check_columns(const Queue& queue, std::int64_t rows, std::int64_t channels, std::int64_t shift) {
  const auto values = values_of<T>(random_values<float>(rows * channels, 1));
  std::vector<double> want(static_cast<std::size_t>(channels)), magnitude(want.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto c = i % static_cast<std::size_t>(channels);
    want[c] += to_float(values[i]);
    magnitude[c] += std::abs(to_float(values[i]));
  }
  Array<T> gradient(queue, values, shift);
  Array<float> sums(queue, channels);
  Workspace workspace(queue, bias_gradient_workspace(rows, channels));
  bias_gradient(queue, rows, channels, gradient.data(), sums.data(), workspace.data());
  const auto got = sums.values();
  for (std::size_t c = 0; c < want.size(); ++c)
    ASSERT_NEAR(got[c], want[c], 1e-5 * magnitude[c] + 1e-30) << c;
}

TEST_P(GradientSumTest, BiasGradientIsTheSumOfItsColumn) {
  for (const std::int64_t channels : {1, 3, 5, 8, 33, 96, 100, 128}) {
    for (const std::int64_t rows : {0, 1, 15, 16, 17, 1000, 4099}) {
      for (const std::int64_t shift : {0, 1}) {
        SCOPED_TRACE(testing::Message() << rows << " x " << channels << " shift " << shift);
        check_columns<float>(queue, rows, channels, shift);
        check_columns<BFloat16>(queue, rows, channels, shift);
      }
    }
  }
  check_columns<BFloat16>(queue, 70001, 128,
                          0);  // more rows a thread, and no multiple of what it loads at a time
}

template <class T>
void check_squares(const Queue& queue, std::int64_t count) {
  const auto values = values_of<T>(random_values<float>(count, 1));
  double want = 0.0;
  for (const T value : values) want += std::pow(static_cast<double>(to_float(value)), 2);
  Array<T> array(queue, values);
  Array<double> sum(queue, 1);
  Workspace workspace(queue, square_sum_workspace(count));
  square_sum(queue, count, array.data(), sum.data(), workspace.data());
  EXPECT_NEAR(sum.value(), want, 1e-12 * want);
}

TEST_P(GradientSumTest, SquareSumIsExactToDouble) {
  for (const std::int64_t count : {0, 1, 7, 8, 1000, 16384, 16385, 100003}) {
    SCOPED_TRACE(count);
    check_squares<float>(queue, count);
    check_squares<BFloat16>(queue, count);
  }
}

TEST_P(GradientSumTest, ClipFactorIsThatOfClipGradNorm) {
  const auto factor_of = [&](const std::vector<double>& squares, double max_norm) {
    Array<double> sums(queue, squares);
    Array<float> factor(queue, 1);
    clip_factor(queue, static_cast<std::int64_t>(squares.size()), sums.data(), max_norm, factor.data());
    return factor.value();
  };
  EXPECT_FLOAT_EQ(factor_of({9.0, 16.0}, 2.0), static_cast<float>(2.0 / (5.0 + 1e-6)));
  EXPECT_EQ(factor_of({9.0, 16.0}, 6.0), 1.0f);
  EXPECT_EQ(factor_of({0.0}, 1.0), 1.0f);
  EXPECT_TRUE(std::isnan(factor_of({std::nan(""), 1.0}, 1.0)));
}

TEST_P(GradientSumTest, OneValueThatIsNotFiniteRaisesTheFlag) {
  for (const float bad : {0.0f, std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t at : {0, 17, 100}) {
      std::vector<float> values(101, std::numeric_limits<float>::max() / 2);
      values[at] = bad;
      const auto flag_of = [&](const auto& of) {
        using T = typename std::decay_t<decltype(of)>::value_type;
        Array<T> array(queue, of);
        Array<std::uint32_t> flag(queue, std::vector<std::uint32_t>{0});
        flag_not_finite(queue, 101, array.data(), flag.data());
        return flag.value();
      };
      EXPECT_EQ(flag_of(values), bad == 0.0f ? 0u : 1u);
      EXPECT_EQ(flag_of(values_of<BFloat16>(values)), bad == 0.0f ? 0u : 1u);
    }
  }
}

struct Settings {
  float learning_rate, rate_factor, weight_decay, clip;  // clip 0: none
};
constexpr int kSteps = 4;

template <class G>
std::vector<float> gradient_of(std::int64_t count, int step) {
  return floats_of(values_of<G>(random_values<float>(count, static_cast<unsigned>(10 + step))));
}

/// Runs kSteps of `step_once(queue, update, step number in the queue's memory)` and returns the weights and
/// their copy.
template <class G, class F>
std::pair<std::vector<float>, std::vector<float>> run(const Queue& queue, std::int64_t count,
                                                      const Settings& settings, std::int64_t shift,
                                                      const F& step_once) {
  Array<float> weights(queue, random_values<float>(count, 1), shift);
  Array<BFloat16> copy(queue, count, shift);
  Array<float> rate(queue, std::vector<float>{settings.learning_rate}),
      clip(queue, std::vector<float>{settings.clip});
  Array<std::uint64_t> number(queue, std::vector<std::uint64_t>{0});
  for (int step = 0; step < kSteps; ++step) {
    Array<G> gradient(queue, values_of<G>(gradient_of<G>(count, step)), shift);
    increment(queue, number.data());
    ParameterUpdate<G> update;
    update.count = count;
    update.weights = weights.data();
    update.gradient = gradient.data();
    update.weights_bf16 = copy.data();
    update.learning_rate = rate.data();
    update.rate_factor = settings.rate_factor;
    update.weight_decay = settings.weight_decay;
    update.clip = settings.clip != 0.0f ? clip.data() : nullptr;
    step_once(update, number.data());
    gradient.values();  // waits, and looks at the guards
  }
  return {weights.values(), floats_of(copy.values())};
}

void compare(const std::pair<std::vector<float>, std::vector<float>>& got, const std::vector<double>& want) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got.first[i], want[i], 2e-6 * (1.0 + std::abs(want[i]))) << i;
    ASSERT_EQ(got.second[i], to_float(from_float<BFloat16>(got.first[i]))) << i;
  }
}

class OptimizerQueueTest : public QueueTest {
 protected:
  template <class F>
  void for_all(const F& run_case) {
    for (const std::int64_t count : {0, 1, 7, 8, 1000, 1003}) {
      for (const Settings& settings : {Settings{0.1f, 1.0f, 0.0f, 0.0f}, Settings{0.05f, 0.1f, 0.01f, 0.0f},
                                       Settings{0.1f, 2.0f, 0.02f, 0.25f}}) {
        for (const std::int64_t shift : {0, 1}) {
          SCOPED_TRACE(testing::Message()
                       << count << " parameters, rate " << settings.learning_rate << " shift " << shift);
          run_case(count, settings, shift);
        }
      }
    }
  }
};
SPIKELOOM_ON_ALL_QUEUES(OptimizerQueueTest);

/// The gradient that an optimiser sees, in double.
template <class G>
double seen(const Settings& settings, const std::vector<float>& gradient, std::size_t i, double weight) {
  return (settings.clip != 0.0f ? settings.clip : 1.0) * static_cast<double>(gradient[i]) +
         static_cast<double>(settings.weight_decay) * weight;
}

template <class G>
void check_sgd(const Queue& queue, std::int64_t count, const Settings& settings, std::int64_t shift,
               float momentum, bool nesterov) {
  const auto start = random_values<float>(count, 1);
  std::vector<double> want(start.begin(), start.end()), buffer(want.size());
  for (int step = 0; step < kSteps; ++step) {
    const auto gradient = gradient_of<G>(count, step);
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double g = seen<G>(settings, gradient, i, want[i]);
      buffer[i] = step == 0 ? g : momentum * buffer[i] + g;  // LibTorch's first step
      const double direction = nesterov ? g + momentum * buffer[i] : buffer[i];
      want[i] -= static_cast<double>(settings.learning_rate) * settings.rate_factor * direction;
    }
  }
  Array<float> velocity(queue, std::vector<float>(static_cast<std::size_t>(count), 0.0f), shift);
  compare(run<G>(queue, count, settings, shift,
                 [&](const ParameterUpdate<G>& update, const std::uint64_t*) {
                   sgd_step(queue, update, momentum, momentum != 0.0f ? velocity.data() : nullptr, nesterov);
                 }),
          want);
  velocity.values();
}

TEST_P(OptimizerQueueTest, SgdIsLibTorchs) {
  for_all([&](std::int64_t count, const Settings& settings, std::int64_t shift) {
    for (const float momentum : {0.0f, 0.9f}) {
      check_sgd<float>(queue, count, settings, shift, momentum, false);
      check_sgd<BFloat16>(queue, count, settings, shift, momentum, false);
    }
  });
}

TEST_P(OptimizerQueueTest, NesterovIsLibTorchs) {
  for_all([&](std::int64_t count, const Settings& settings, std::int64_t shift) {
    check_sgd<float>(queue, count, settings, shift, 0.9f, true);
    check_sgd<BFloat16>(queue, count, settings, shift, 0.9f, true);
  });
}

TEST_P(OptimizerQueueTest, AverageForgetsExponentially) {
  Array<float> decay(queue, std::vector<float>{0.9f});
  for (const std::int64_t count : {0, 1, 7, 8, 100, 40003}) {
    for (const std::int64_t shift : {0, 1}) {
      const auto first = random_values<float>(count, 1);
      std::vector<double> want(first.begin(), first.end());
      Array<float> average(queue, first, shift);
      for (int step = 0; step < kSteps; ++step) {
        const auto values = random_values<float>(count, static_cast<unsigned>(2 + step));
        Array<float> weights(queue, values, shift);
        average_step(queue, count, decay.data(), weights.data(), average.data());
        for (std::size_t i = 0; i < want.size(); ++i) want[i] = 0.9 * want[i] + 0.1 * values[i];
        ASSERT_EQ(weights.values(), values);
      }
      const auto got = average.values();
      for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 2e-6);
    }
  }
}

template <class G>
void check_adam(const Queue& queue, std::int64_t count, const Settings& settings, std::int64_t shift,
                bool decoupled) {
  const AdamParams params{0.9, 0.99, 1e-3, decoupled};
  Settings of_gradient = settings;  // what the gradient sees
  if (decoupled) of_gradient.weight_decay = 0.0f;
  const auto start = random_values<float>(count, 1);
  std::vector<double> want(start.begin(), start.end()), m(want.size()), v(want.size());
  for (int step = 0; step < kSteps; ++step) {
    const auto gradient = gradient_of<G>(count, step);
    const double correction1 = 1.0 - std::pow(params.beta1, step + 1),
                 correction2 = 1.0 - std::pow(params.beta2, step + 1);
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double g = seen<G>(of_gradient, gradient, i, want[i]);
      m[i] = params.beta1 * m[i] + (1.0 - params.beta1) * g;
      v[i] = params.beta2 * v[i] + (1.0 - params.beta2) * g * g;
      const double rate = static_cast<double>(settings.learning_rate) * settings.rate_factor;
      if (decoupled) want[i] *= 1.0 - rate * static_cast<double>(settings.weight_decay);
      want[i] -= rate / correction1 * m[i] / (std::sqrt(v[i]) / std::sqrt(correction2) + params.epsilon);
    }
  }
  const std::vector<float> zeros(static_cast<std::size_t>(count), 0.0f);
  Array<float> first(queue, zeros, shift), second(queue, zeros, shift);
  Array<AdamCorrection> correction(queue, 1);
  compare(run<G>(queue, count, settings, shift,
                 [&](const ParameterUpdate<G>& update, const std::uint64_t* number) {
                   adam_correction(queue, params, number, correction.data());
                   adam_step(queue, update, params, correction.data(), first.data(), second.data());
                 }),
          want);
  first.values();
  second.values();
}

TEST_P(OptimizerQueueTest, AdamIsLibTorchs) {
  for_all([&](std::int64_t count, const Settings& settings, std::int64_t shift) {
    check_adam<float>(queue, count, settings, shift, false);
    check_adam<BFloat16>(queue, count, settings, shift, false);
  });
}

TEST_P(OptimizerQueueTest, AdamWIsLibTorchs) {
  for_all([&](std::int64_t count, const Settings& settings, std::int64_t shift) {
    check_adam<float>(queue, count, settings, shift, true);
    check_adam<BFloat16>(queue, count, settings, shift, true);
  });
}

TEST(DivisorTest, IsDivision) {
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t d :
       {std::int64_t{1}, std::int64_t{2}, std::int64_t{3}, std::int64_t{7}, std::int64_t{8}, std::int64_t{10},
        std::int64_t{641}, std::int64_t{65537}, std::int64_t{1} << 31, (std::int64_t{1} << 31) + 1,
        std::int64_t{1000000007}, (std::int64_t{1} << 62) - 1}) {
    const Divisor divisor(d);
    for (const std::int64_t n :
         {std::int64_t{0}, std::int64_t{1}, d - 1, d, d + 1, largest / d * d, largest / d * d - 1,
          largest - 1, largest, std::int64_t{123456789012345678}}) {
      std::int64_t quotient = n;
      EXPECT_EQ(divisor.split(quotient), n % d) << n << " / " << d;
      EXPECT_EQ(quotient, n / d) << n << " / " << d;
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
