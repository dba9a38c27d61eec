// NeuNorm: CPU kernels against the reference, gradient against finite differences.
#include <gtest/gtest.h>

#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {
namespace {

const NeuNormSize kSizes[] = {{0, 2, 3, 4, true},    {2, 0, 3, 4, true},   {2, 3, 0, 4, false},
                              {1, 1, 1, 1, true},    {1, 1, 1, 1, false},  {3, 2, 5, 7, true},
                              {3, 2, 5, 7, false},   {2, 1, 9, 33, false}, {4, 3, 11, 67, true},
                              {2, 3, 300, 1, false}, {3, 2, 3, 600, true}, {3, 4, 64, 128, false}};

std::int64_t weights(const NeuNormSize& size) { return size.positions * (size.shared_u ? 1 : size.channels); }

template <class T>
struct KernelRun {
  KernelRun(const Backend& backend, const NeuNormSize& size, const NeuNormParams& params,
            const std::vector<T>& spike_values, const std::vector<T>& u_values,
            const std::vector<T>& grad_values)
      : spikes(spike_values),
        u(u_values),
        x(size.num_steps * size.batch * size.positions),
        output(static_cast<std::int64_t>(spike_values.size())),
        grad_output(grad_values),
        grad_spikes(static_cast<std::int64_t>(spike_values.size())),
        grad_u(weights(size)) {
    backend.neunorm_forward<T>(size, params, spikes.data(), u.data(), x.data(), output.data());
    backend.neunorm_backward<T>(size, params, grad_output.data(), u.data(), x.data(), grad_spikes.data(),
                                grad_u.data());
  }
  bool guards_intact() const {
    return x.guards_intact() && output.guards_intact() && grad_spikes.guards_intact() &&
           grad_u.guards_intact();
  }
  Buffer<T> spikes, u, x, output, grad_output, grad_spikes, grad_u;
};

template <class T>
class NeuNormTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(NeuNormTest, Types);

TYPED_TEST(NeuNormTest, EqualsTheReference) {
  using T = TypeParam;
  unsigned seed = 50;
  for (const NeuNormSize& size : kSizes) {
    const NeuNormParams params{0.8, neunorm_coefficient(NeuNormScale::kMean, 0.8, size.channels)};
    const std::int64_t count = size.num_steps * size.batch * size.positions * size.channels;
    const auto u = random_values<T>(weights(size), ++seed);
    const auto grad = random_values<T>(count, ++seed);
    for (const bool binary : {true, false}) {
      const auto spikes = binary ? random_spikes<T>(count, ++seed) : random_values<T>(count, ++seed);
      const KernelRun<T> want(Backend{"reference"}, size, params, spikes, u, grad);
      for (const Backend& backend : cpu_backends()) {
        for (const int thread_count : {1, 3}) {
          const ThreadCount threads(thread_count);
          const KernelRun<T> got(backend, size, params, spikes, u, grad);
          SCOPED_TRACE(testing::Message() << backend.name << " T " << size.num_steps << " N " << size.batch
                                          << " P " << size.positions << " C " << size.channels << " shared "
                                          << size.shared_u << " binary " << binary);
          ASSERT_TRUE(got.guards_intact());
          // Sums of 0 and 1 are exact; others lose at most a unit in the last place of the sum of magnitudes
          // a term.
          const auto channels = static_cast<double>(size.channels);
          const double forward = binary ? 0.0 : 4 * epsilon<T>() * (1 + largest(spikes)) * (1 + largest(u));
          EXPECT_EQ(mismatches(got.x.values(), want.x.values(), forward), 0);
          EXPECT_EQ(mismatches(got.output.values(), want.output.values(), forward), 0);
          const double term = largest(grad) * (1 + largest(u));
          EXPECT_EQ(mismatches(got.grad_spikes.values(), want.grad_spikes.values(), 4 * epsilon<T>() * term),
                    0);
          const double terms =
              static_cast<double>(size.num_steps * size.batch) * (size.shared_u ? channels : 1.0);
          const double x = largest(want.x.values());
          EXPECT_EQ(
              mismatches(got.grad_u.values(), want.grad_u.values(), 4 * epsilon<T>() * terms * x * term), 0);

          Buffer<T> u_copy(u), grad_copy(grad), x_copy(got.x.values()), grad_spikes(count);
          backend.neunorm_backward<T>(size, params, grad_copy.data(), u_copy.data(), x_copy.data(),
                                      grad_spikes.data(), nullptr);
          EXPECT_EQ(mismatches(grad_spikes.values(), got.grad_spikes.values()), 0);
          const ThreadCount single(1);
          const KernelRun<T> again(backend, size, params, spikes, u, grad);
          EXPECT_EQ(mismatches(got.grad_u.values(), again.grad_u.values()), 0);
        }
      }
    }
  }
}

TEST(NeuNormGradientTest, EqualsFiniteDifferences) {
  constexpr double kStep = 1e-4;  // the output is bilinear in spikes and u: no truncation error
  for (const Backend& backend : all_backends()) {
    for (const bool shared : {true, false}) {
      const NeuNormSize size{4, 2, 3, 5, shared};
      const NeuNormParams params{0.7, neunorm_coefficient(NeuNormScale::kLiteral, 0.7, 5)};
      auto spikes = random_values<double>(120, 1);
      auto u = random_values<double>(weights(size), 2);
      const auto grad = random_values<double>(120, 3);
      KernelRun<double> run(backend, size, params, spikes, u, grad);
      const auto slope = [&](double& at) {
        const auto loss = [&] {
          std::vector<double> x(24), output(120);
          backend.neunorm_forward<double>(size, params, spikes.data(), u.data(), x.data(), output.data());
          double sum = 0.0;
          for (std::size_t i = 0; i < output.size(); ++i) sum += output[i] * grad[i];
          return sum;
        };
        const double value = at;
        at = value + kStep;
        const double above = loss();
        at = value - kStep;
        const double below = loss();
        at = value;
        return (above - below) / (2 * kStep);
      };
      const auto grad_spikes = run.grad_spikes.values();
      const auto grad_u = run.grad_u.values();
      for (std::size_t i = 0; i < spikes.size(); ++i)
        EXPECT_NEAR(grad_spikes[i], slope(spikes[i]), 1e-9) << i;
      for (std::size_t i = 0; i < u.size(); ++i) EXPECT_NEAR(grad_u[i], slope(u[i]), 1e-9) << i;
    }
  }
}

TEST(NeuNormGradientTest, CoefficientFollowsTheScale) {
  EXPECT_DOUBLE_EQ(neunorm_coefficient(NeuNormScale::kMean, 0.9, 4), 0.1 / 4);
  EXPECT_DOUBLE_EQ(neunorm_coefficient(NeuNormScale::kLiteral, 0.9, 4), 0.1 / 16);
}

}  // namespace
}  // namespace spikeloom::kernels::test
