// NeuNorm on queues: the map from packed spikes, and the gradient against the reference's, with the pooling's
// backward pass in front of it or behind.
#include "spikeloom/kernels/cuda/neunorm.h"

#include <gtest/gtest.h>

#include "array.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/neunorm.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::largest;
using kernels::test::mismatches;
using kernels::test::random_spikes;
using kernels::test::random_values;

const PackedImages kImages[] = {{1, 1, 1, 1, 1, 1},    {3, 2, 3, 5, 3, 1},   {3, 2, 4, 6, 16, 2},
                                {2, 1, 5, 7, 24, 2},   {4, 0, 4, 4, 8, 2},   {0, 2, 4, 4, 8, 2},
                                {3, 2, 5, 5, 33, 2},   {2, 1, 7, 5, 96, 2},  {3, 2, 2, 2, 128, 1},
                                {2, 2, 4, 3, 1024, 2}, {2, 1, 3, 3, 512, 1}, {9, 40, 2, 2, 64, 2}};

/// Everything of one case in float, with what NeuNorm reads and the gradient of what it returns.
struct Problem {
  Problem(const PackedImages& all, bool shared_u, bool behind_pooling)
      : images(all),
        shared(shared_u),
        behind(behind_pooling),
        height(behind ? images.pooled_height() : images.height),
        width(behind ? images.pooled_width() : images.width),
        size{images.num_steps, images.batch, height * width, images.channels, shared},
        params{0.8, neunorm_coefficient(NeuNormScale::kMean, 0.8, images.channels)},
        pool{images.num_steps * images.batch, images.height, images.width, images.channels, images.pool},
        spikes(random_spikes<float>(images.num_steps * images.neurons(), 1)),
        u(random_values<float>(size.positions * (shared ? 1 : images.channels), 2)) {
    std::vector<float> read = spikes;
    if (behind) {
      read.resize(static_cast<std::size_t>(images.num_steps * images.pooled_neurons()));
      reference::avg_pool_forward(pool, spikes.data(), read.data());
    }
    x.resize(static_cast<std::size_t>(size.num_steps * size.batch * size.positions));
    std::vector<float> output(read.size());
    reference::neunorm_forward(size, params, read.data(), u.data(), x.data(), output.data());
  }

  PackedImages images;
  bool shared, behind;
  std::int64_t height, width;
  NeuNormSize size;
  NeuNormParams params;
  PoolSize pool;
  std::vector<float> spikes, u, x;
};

class NeuNormQueueTest : public QueueTest {
 protected:
  template <class F>
  void for_all(const F& run) {
    for (const PackedImages& images : kImages) {
      for (const bool shared : {true, false}) {
        for (const bool behind : {false, true}) {
          SCOPED_TRACE(testing::Message()
                       << images.height << "x" << images.width << "x" << images.channels << " pool "
                       << images.pool << " shared " << shared << " behind " << behind);
          run(Problem(images, shared, behind));
        }
      }
    }
  }
};
SPIKELOOM_ON_ALL_QUEUES(NeuNormQueueTest);

TEST_P(NeuNormQueueTest, ScanEqualsTheReference) {
  for_all([&](const Problem& p) {
    for (const std::int64_t shift : {0, 1}) {
      Array<float> values(queue, p.spikes), x(queue, static_cast<std::int64_t>(p.x.size()));
      Array<std::uint8_t> packed(queue, p.images.num_steps * packed_bytes(p.images.neurons()), shift);
      pack_spikes(queue, p.images.num_steps, p.images.neurons(), values.data(), packed.data());
      neunorm_scan(queue, p.images, p.params, p.behind, packed.data(), x.data());
      ASSERT_EQ(mismatches(x.values(), p.x), 0);
    }
  });
}

template <class T>
void check_backward(const Queue& queue, const Problem& p, std::int64_t shift) {
  const auto gradient = values_of<T>(random_values<float>(p.images.num_steps * p.images.pooled_neurons(), 3));
  // The reference in double, so that it has no rounding of its own: pooling first where it stands behind
  // NeuNorm.
  const auto doubles = [](const std::vector<float>& values) {
    return std::vector<double>(values.begin(), values.end());
  };
  std::vector<double> g = doubles(floats_of(gradient));
  if (!p.behind) {
    const std::vector<double> pooled = g;
    g.resize(static_cast<std::size_t>(p.images.num_steps * p.images.neurons()));
    reference::avg_pool_backward(p.pool, pooled.data(), g.data());
  }
  const std::vector<double> u = doubles(p.u), x = doubles(p.x);
  std::vector<double> grad_spikes(g.size()), want_u(u.size());
  reference::neunorm_backward(p.size, p.params, g.data(), u.data(), x.data(), grad_spikes.data(),
                              want_u.data());

  Array<T> grad(queue, gradient, shift);
  Array<float> u_array(queue, p.u, shift), x_array(queue, p.x),
      dx(queue, static_cast<std::int64_t>(x.size())), grad_u(queue, static_cast<std::int64_t>(u.size()));
  Workspace workspace(queue, neunorm_backward_workspace(p.images, p.shared, p.behind));
  neunorm_backward(queue, p.images, p.params, {u_array.data(), p.shared, p.behind}, grad.data(),
                   x_array.data(), dx.data(), grad_u.data(), workspace.data());

  const double sums = largest(g) * (1 + largest(u)) * static_cast<double>(p.images.channels);
  const auto dx_values = dx.values();
  std::vector<double> got_spikes(g.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    got_spikes[i] = g[i] + p.params.coefficient * dx_values[i / static_cast<std::size_t>(p.images.channels)];
  }
  EXPECT_EQ(mismatches(got_spikes, grad_spikes, 1e-5 * sums * p.params.coefficient + 1e-12), 0);
  // dx itself, which the coefficient makes small above: from the reference's gradient of the spikes.
  if (p.images.channels > 0) {
    std::vector<double> want_dx(dx_values.size()), got_dx(dx_values.begin(), dx_values.end());
    for (std::size_t i = 0; i < want_dx.size(); ++i) {
      const std::size_t at = i * static_cast<std::size_t>(p.images.channels);
      want_dx[i] = (grad_spikes[at] - g[at]) / p.params.coefficient;
    }
    EXPECT_EQ(mismatches(got_dx, want_dx, 1e-5 * sums + 1e-12), 0);
  }
  const auto grad_u_values = grad_u.values();
  const double terms = static_cast<double>(p.size.num_steps * p.size.batch) *
                       (p.shared ? static_cast<double>(p.images.channels) : 1.0);
  EXPECT_EQ(mismatches(std::vector<double>(grad_u_values.begin(), grad_u_values.end()), want_u,
                       1e-6 * terms * largest(g) * (1 + largest(x)) + 1e-12),
            0);
}

TEST_P(NeuNormQueueTest, BackwardEqualsTheReference) {
  for_all([&](const Problem& p) {
    for (const std::int64_t shift : {0, 1}) {
      check_backward<float>(queue, p, shift);
      check_backward<BFloat16>(queue, p, shift);
    }
  });
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
