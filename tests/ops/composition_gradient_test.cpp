// The gradient of every operator equals what LibTorch's autograd makes of a plain composition of its own
// operators.
#include <gtest/gtest.h>

#include "spikeloom/kernels/neunorm_params.h"
#include "spikeloom/ops/avg_pool.h"
#include "spikeloom/ops/dropout.h"
#include "spikeloom/ops/lif.h"
#include "spikeloom/ops/neunorm.h"
#include "spikeloom/ops/voting.h"
#include "tests/ops/composition.h"
#include "tests/ops/tensors.h"
#include "tests/ops/variants.h"

namespace spikeloom::ops::test {
namespace {

constexpr double kTolerance = 1e-12;

at::Tensor double_scalar(double value) { return leaf(at::scalar_tensor(value, at::kDouble)); }

TEST(CompositionGradient, LifEveryVariant) {
  unsigned seed = 1;
  for (const NeuronParams& params : neuron_variants({false, true})) {
    for (const bool is_static : {false, true}) {
      for (const Layout layout : {Layout::kChannelsLast, Layout::kSliced}) {
        SCOPED_TRACE(describe(params) + (is_static ? " static " : " ") + name_of(layout));
        // On the grid potentials meet threshold and window edges, where the primitives of smooth mode have
        // kinks.
        const at::Tensor values =
            random_normal({is_static ? 1 : 6, 3, 4, 3, 5}, at::kDouble, ++seed, 1.0, !params.smooth);
        const at::Tensor weights = random_normal({6, 3, 4, 3, 5}, at::kDouble, ++seed);
        const at::Tensor x = leaf(values, layout), decay = double_scalar(params.decay),
                         v_threshold = double_scalar(params.v_threshold);
        const at::Tensor spikes = lif(x, decay, v_threshold, 6, params).spikes;
        (spikes * weights).sum().backward();

        const at::Tensor plain_x = leaf(values), plain_decay = double_scalar(params.decay),
                         plain_threshold = double_scalar(params.v_threshold);
        const at::Tensor want = plain_lif(plain_x, plain_decay, plain_threshold, 6, params).spikes;
        (want * weights).sum().backward();

        ASSERT_TRUE(close_to(spikes, want, params.smooth ? kTolerance : 0.0));
        EXPECT_TRUE(close_to(x.grad(), plain_x.grad(), kTolerance));
        EXPECT_TRUE(close_to(decay.grad(), plain_decay.grad(), kTolerance));
        EXPECT_TRUE(close_to(v_threshold.grad(), plain_threshold.grad(), kTolerance));
        EXPECT_GT(largest(decay.grad()), 1e-3);
        EXPECT_GT(largest(v_threshold.grad()), 1e-3);
      }
    }
  }
}

// Only one of the scalars learns, or neither; the input may be data.
TEST(CompositionGradient, LifAnySubsetOfLeaves) {
  const NeuronParams params;
  const at::Tensor values = random_normal({4, 3, 7}, at::kDouble, 1);
  const at::Tensor weights = random_normal({4, 3, 7}, at::kDouble, 2);
  for (int subset = 1; subset < 8; ++subset) {
    SCOPED_TRACE(subset);
    at::Tensor got[3], want[3];
    for (const bool plain : {false, true}) {
      at::Tensor leaves[] = {values.clone(), at::scalar_tensor(0.5, at::kDouble),
                             at::scalar_tensor(0.6, at::kDouble)};
      for (int i = 0; i < 3; ++i) leaves[i].set_requires_grad((subset >> i & 1) != 0);
      const at::Tensor spikes = plain ? plain_lif(leaves[0], leaves[1], leaves[2], 4, params).spikes
                                      : lif(leaves[0], leaves[1], leaves[2], 4, params).spikes;
      (spikes * weights).sum().backward();
      for (int i = 0; i < 3; ++i) (plain ? want : got)[i] = leaves[i].grad();
    }
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(got[i].defined(), (subset >> i & 1) != 0);
      if (got[i].defined()) {
        EXPECT_TRUE(close_to(got[i], want[i], kTolerance));
      }
    }
  }
}

TEST(CompositionGradient, NeuNorm) {
  unsigned seed = 100;
  for (const bool shared_u : {true, false}) {
    for (const auto scale : {kernels::NeuNormScale::kMean, kernels::NeuNormScale::kLiteral}) {
      for (const Layout layout : kLayouts) {
        SCOPED_TRACE(testing::Message() << name_of(layout) << " shared " << shared_u);
        const at::Tensor values = random_normal({5, 2, 6, 3, 4}, at::kDouble, ++seed);
        const at::Tensor u_values = random_normal({shared_u ? 1 : 6, 3, 4}, at::kDouble, ++seed);
        const at::Tensor weights = random_normal({5, 2, 6, 3, 4}, at::kDouble, ++seed);
        const double coefficient = kernels::neunorm_coefficient(scale, 0.8, 6);
        EXPECT_DOUBLE_EQ(coefficient, scale == kernels::NeuNormScale::kMean ? 0.2 / 6 : 0.2 / 36);
        const at::Tensor x = leaf(values, layout), u = leaf(u_values);
        const at::Tensor output = neunorm(x, u, 0.8, coefficient);
        (output * weights).sum().backward();
        const at::Tensor plain_x = leaf(values), plain_u = leaf(u_values);
        const at::Tensor want = plain_neunorm(plain_x, plain_u, 0.8, coefficient);
        (want * weights).sum().backward();
        EXPECT_TRUE(close_to(output, want, kTolerance));
        EXPECT_TRUE(close_to(x.grad(), plain_x.grad(), kTolerance));
        EXPECT_TRUE(close_to(u.grad(), plain_u.grad(), kTolerance));
      }
    }
  }
}

TEST(CompositionGradient, AvgPool) {
  unsigned seed = 200;
  for (const Layout layout : kLayouts) {
    for (const std::int64_t kernel : {1, 2, 3}) {
      const at::Tensor values = random_normal({3, 2, 5, 7, 6}, at::kDouble, ++seed);
      const at::Tensor x = leaf(values, layout), plain_x = leaf(values);
      const at::Tensor output = avg_pool(x, kernel), want = plain_avg_pool(plain_x, kernel);
      const at::Tensor weights = random_normal(want.sizes(), at::kDouble, ++seed);
      (output * weights).sum().backward();
      (want * weights).sum().backward();
      EXPECT_TRUE(close_to(output, want, kTolerance));
      EXPECT_TRUE(close_to(x.grad(), plain_x.grad(), kTolerance)) << name_of(layout) << " k " << kernel;
    }
  }
}

TEST(CompositionGradient, Voting) {
  const at::Tensor class_of = at::tensor({2, 0, 1, 2, 2, 0, 1}, at::kInt);
  const at::Tensor values = random_normal({4, 3, 7}, at::kDouble, 300);
  const at::Tensor weights = random_normal({3, 3}, at::kDouble, 301);
  const at::Tensor x = leaf(values), plain_x = leaf(values);
  const at::Tensor votes = voting(x, class_of, 3), want = plain_voting(plain_x, class_of, 3);
  (votes * weights).sum().backward();
  (want * weights).sum().backward();
  EXPECT_TRUE(close_to(votes, want, kTolerance));
  EXPECT_TRUE(close_to(x.grad(), plain_x.grad(), kTolerance));
}

// Whatever the mask, output and gradient are the same multiple of what came in; how many are kept fits the
// rate.
TEST(CompositionGradient, Dropout) {
  DropoutOptions options;
  options.rate = 0.25;
  options.key = 7;
  for (const bool same_mask : {false, true}) {
    options.same_mask_each_step = same_mask;
    const at::Tensor x = leaf(at::ones({4, 10, 8, 16, 16}, at::kDouble));
    const at::Tensor output = dropout(x, options);
    const at::Tensor mask = output.detach().gt(0).to(at::kDouble);
    EXPECT_TRUE(same(output, mask / 0.75));
    const at::Tensor weights = random_normal(x.sizes(), at::kDouble, 400);
    (output * weights).sum().backward();
    EXPECT_TRUE(close_to(x.grad(), weights * mask / 0.75, kTolerance));
    // 81920 draws (20480 with one mask for all steps): five standard deviations.
    EXPECT_NEAR(mask.mean().item().toDouble(), 0.75, 5 * std::sqrt(0.1875 / (same_mask ? 20480 : 81920)));
    EXPECT_EQ(at::equal(mask[0], mask[3]), same_mask);
    options.counter += 1;
    EXPECT_FALSE(at::equal(dropout(x, options).detach(), output.detach()));
  }
}

// Gradients flow through operators in a row as through their compositions.
TEST(CompositionGradient, WholeLayers) {
  NeuronParams params;
  params.v_threshold = 0.5;
  const at::Tensor values = random_normal({5, 3, 4, 6, 6}, at::kDouble, 500);
  const at::Tensor u_values = random_normal({4, 6, 6}, at::kDouble, 501, 0.5);
  const at::Tensor matrix_values = random_normal({36, 12}, at::kDouble, 502, 0.5);
  const at::Tensor class_of = at::arange(12, at::kInt).remainder(3).to(at::kInt);
  std::vector<at::Tensor> gradients[2];
  for (const bool plain : {false, true}) {
    const at::Tensor x = leaf(values, plain ? Layout::kContiguous : Layout::kChannelsLast),
                     u = leaf(u_values), matrix = leaf(matrix_values), decay = double_scalar(0.3),
                     threshold = double_scalar(0.5);
    const auto neurons = [&](const at::Tensor& input) {
      return plain ? plain_lif(input, decay, threshold, 5, params).spikes
                   : lif(input, decay, threshold, 5, params).spikes;
    };
    at::Tensor y = neurons(x);
    y = plain ? plain_avg_pool(plain_neunorm(y, u, 0.9, 0.025), 2) : avg_pool(neunorm(y, u, 0.9, 0.025), 2);
    y = neurons(at::matmul(y.reshape({15, 36}), matrix).view({5, 3, 12}));
    const at::Tensor votes = plain ? plain_voting(y, class_of, 3) : voting(y, class_of, 3);
    (votes - 0.3).square().sum().backward();
    gradients[plain] = {x.grad(), u.grad(), matrix.grad(), decay.grad(), threshold.grad()};
  }
  for (std::size_t i = 0; i < gradients[0].size(); ++i) {
    EXPECT_TRUE(within(gradients[0][i], gradients[1][i], kTolerance * largest(gradients[1][i]))) << i;
    EXPECT_GT(largest(gradients[1][i]), 1e-4) << i;
  }
}

}  // namespace
}  // namespace spikeloom::ops::test
