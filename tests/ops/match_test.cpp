// Every operator against the reference kernels, through autograd, in float and double, for inputs and
// gradients in any memory layout.
#include <gtest/gtest.h>

#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/dropout.h"
#include "spikeloom/kernels/reference/lif.h"
#include "spikeloom/kernels/reference/neunorm.h"
#include "spikeloom/kernels/reference/voting.h"
#include "spikeloom/ops/avg_pool.h"
#include "spikeloom/ops/dropout.h"
#include "spikeloom/ops/lif.h"
#include "spikeloom/ops/neunorm.h"
#include "spikeloom/ops/voting.h"
#include "tests/ops/tensors.h"
#include "tests/ops/variants.h"

namespace spikeloom::ops::test {
namespace {

namespace reference = kernels::reference;
using Sizes = std::vector<std::int64_t>;

// [T, N, C, H, W]: one of everything, one step, one sample, odd sizes, no samples, more than a vector's
// lanes.
const Sizes kSizes[] = {{1, 1, 1, 1, 1}, {1, 2, 3, 5, 3}, {4, 1, 3, 3, 5},
                        {5, 3, 7, 3, 5}, {3, 0, 2, 3, 3}, {2, 3, 33, 9, 11}};

/// The gradient comes in another layout than the input.
Layout other(Layout layout) { return kLayouts[(static_cast<int>(layout) + 2) % 4]; }

template <class T>
class OpsMatchTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(OpsMatchTest, Types);

template <class T>
void check_lif(const Sizes& sizes, const kernels::NeuronParams& params, bool is_static, Layout layout,
               unsigned seed) {
  const std::int64_t num_steps = sizes[0];
  Sizes input_sizes = sizes;
  if (is_static) input_sizes[0] = 1;
  const at::Tensor input = random_normal(input_sizes, dtype_of<T>(), seed, 1.0, true);
  const at::Tensor grad = random_normal(sizes, dtype_of<T>(), seed + 1);

  kernels::LifSize size{num_steps, grad.numel() / num_steps, is_static};
  const auto input_values = values_of<T>(input), grad_values = values_of<T>(grad);
  std::vector<T> v_pre(grad_values.size()), spikes(grad_values.size()), grad_input(input_values.size());
  const std::int64_t count =
      reference::lif_forward<T>(size, params, input_values.data(), v_pre.data(), spikes.data());
  kernels::LifParameterGradients sums;
  reference::lif_backward<T>(size, params, grad_values.data(), v_pre.data(), spikes.data(), grad_input.data(),
                             &sums);

  const at::Tensor x = leaf(input, layout);
  const at::Tensor decay = leaf(at::scalar_tensor(params.decay, at::kDouble));
  const at::Tensor v_threshold = leaf(at::scalar_tensor(params.v_threshold, at::kDouble));
  const LifResult got = lif(x, decay, v_threshold, num_steps, params);
  ASSERT_TRUE(same(got.spikes, tensor_of<T>(spikes, sizes)));
  EXPECT_EQ(got.spike_count.item().toLong(), count);
  EXPECT_EQ(got.spike_count.scalar_type(), at::kLong);
  EXPECT_FALSE(got.spike_count.requires_grad());
  if (layout == Layout::kChannelsLast) {
    EXPECT_TRUE(got.spikes.movedim(-3, -1).is_contiguous());
  }

  got.spikes.backward(with_layout(grad, other(layout)));
  const at::Tensor want = tensor_of<T>(grad_input, input_sizes);
  // exp of Highway and of the C library differ by a few units in the last place.
  const bool exact = params.surrogate != kernels::Surrogate::kSigmoid;
  const double scale = std::max(largest(want), largest(grad));
  ASSERT_TRUE(within(x.grad(), want, exact ? 0.0 : 16 * epsilon<T>() * scale));
  const double terms =
      static_cast<double>(grad.numel()) * (1 + scale) * (1 + largest(tensor_of<T>(v_pre, sizes)));
  const double unit = exact ? 1e-15 : 16 * epsilon<T>();
  EXPECT_NEAR(decay.grad().item().toDouble(), sums.decay, unit * terms);
  EXPECT_NEAR(v_threshold.grad().item().toDouble(), sums.v_threshold, unit * terms);

  const at::NoGradGuard no_grad;
  const LifResult without = lif(x, decay, v_threshold, num_steps, params);
  EXPECT_TRUE(same(without.spikes, got.spikes));
  EXPECT_EQ(without.spike_count.item().toLong(), count);
  EXPECT_FALSE(without.spikes.requires_grad());
}

TYPED_TEST(OpsMatchTest, LifEveryVariant) {
  unsigned seed = 1;
  for (const auto& params : neuron_variants({false, true})) {
    for (const bool is_static : {false, true}) {
      SCOPED_TRACE(describe(params) + (is_static ? " static" : ""));
      check_lif<TypeParam>({5, 3, 7, 3, 5}, params, is_static, Layout::kChannelsLast, seed += 2);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TYPED_TEST(OpsMatchTest, LifEveryShapeAndLayout) {
  unsigned seed = 1000;
  const kernels::NeuronParams params;
  for (const Sizes& sizes : kSizes) {
    for (const bool is_static : {false, true}) {
      for (const Layout layout : kLayouts) {
        SCOPED_TRACE(testing::Message()
                     << at::IntArrayRef(sizes) << " " << name_of(layout) << " " << is_static);
        check_lif<TypeParam>(sizes, params, is_static, layout, seed += 2);
      }
    }
  }
  for (const Sizes& sizes : {Sizes{4}, Sizes{4, 3}, Sizes{4, 3, 5}, Sizes{1, 1}}) {
    SCOPED_TRACE(testing::Message() << at::IntArrayRef(sizes));
    for (const Layout layout : {Layout::kContiguous, Layout::kBatchFirst, Layout::kSliced}) {
      check_lif<TypeParam>(sizes, params, false, layout, seed += 2);
    }
  }
}

// Strides of T as in a dense tensor, yet samples share their memory and there are gaps between steps.
TYPED_TEST(OpsMatchTest, ExpandedInput) {
  at::Tensor memory = at::full({4, 6}, std::numeric_limits<double>::quiet_NaN(), dtype_of<TypeParam>());
  memory.slice(1, 0, 3).copy_(random_normal({4, 3}, dtype_of<TypeParam>(), 1));
  const at::Tensor x = memory.slice(1, 0, 3).unsqueeze(1).expand({4, 2, 3});
  ASSERT_EQ(x.stride(0), x.numel() / x.size(0));
  const at::Tensor scalar = at::scalar_tensor(0.5, at::kDouble);
  EXPECT_TRUE(same(lif(x, scalar, scalar, 4, {}).spikes, lif(x.clone(), scalar, scalar, 4, {}).spikes));
  EXPECT_TRUE(same(dropout(x, {}), dropout(x.clone(at::MemoryFormat::Contiguous), {})));
}

/// [..., C, H, W] as the kernels read it, [..., H, W, C], and back.
template <class T>
std::vector<T> channels_last_values(const at::Tensor& x) {
  return values_of<T>(x.movedim(-3, -1));
}
template <class T>
at::Tensor from_channels_last(const std::vector<T>& values, const Sizes& sizes) {
  Sizes last(sizes.begin(), sizes.end() - 3);
  const auto n = sizes.size();
  last.insert(last.end(), {sizes[n - 2], sizes[n - 1], sizes[n - 3]});
  return tensor_of<T>(values, last).movedim(-1, -3);
}

template <class T>
void check_neunorm(const Sizes& sizes, bool shared_u, kernels::NeuNormScale scale, Layout layout,
                   unsigned seed) {
  const at::Tensor spikes = random_spikes(sizes, dtype_of<T>(), seed);
  const at::Tensor grad = random_normal(sizes, dtype_of<T>(), seed + 1);
  const Sizes u_sizes{shared_u ? 1 : sizes[2], sizes[3], sizes[4]};
  const at::Tensor u = random_normal(u_sizes, dtype_of<T>(), seed + 2);

  const kernels::NeuNormSize size{sizes[0], sizes[1], sizes[3] * sizes[4], sizes[2], shared_u};
  const kernels::NeuNormParams params{0.8, kernels::neunorm_coefficient(scale, 0.8, sizes[2])};
  const auto s = channels_last_values<T>(spikes), g = channels_last_values<T>(grad);
  const auto weights = channels_last_values<T>(u);
  std::vector<T> x(static_cast<std::size_t>(size.num_steps * size.batch * size.positions));
  std::vector<T> output(s.size()), grad_spikes(s.size()), grad_u(weights.size());
  reference::neunorm_forward<T>(size, params, s.data(), weights.data(), x.data(), output.data());
  reference::neunorm_backward<T>(size, params, g.data(), weights.data(), x.data(), grad_spikes.data(),
                                 grad_u.data());

  const at::Tensor input = leaf(spikes, layout);
  const at::Tensor u_leaf = leaf(u, layout == Layout::kBatchFirst ? Layout::kContiguous : layout);
  const at::Tensor got = neunorm(input, u_leaf, params.decay, params.coefficient);
  ASSERT_TRUE(same(got, from_channels_last(output, sizes)));
  EXPECT_TRUE(got.movedim(-3, -1).is_contiguous());
  got.backward(with_layout(grad, other(layout)));
  // Sums over channels, and for U over steps and samples, run in another order than in the reference.
  const double term = largest(grad) * (1 + largest(u));
  EXPECT_TRUE(within(input.grad(), from_channels_last(grad_spikes, sizes), 4 * epsilon<T>() * term));
  const double terms = static_cast<double>(sizes[0] * sizes[1] * (shared_u ? sizes[2] : 1));
  EXPECT_TRUE(within(
      u_leaf.grad(), from_channels_last(grad_u, u_sizes),
      4 * epsilon<T>() * terms * term * largest(tensor_of<T>(x, {static_cast<std::int64_t>(x.size())}))));
}

TYPED_TEST(OpsMatchTest, NeuNorm) {
  unsigned seed = 2000;
  for (const Sizes& sizes : kSizes) {
    for (const bool shared_u : {true, false}) {
      for (const auto scale : {kernels::NeuNormScale::kMean, kernels::NeuNormScale::kLiteral}) {
        for (const Layout layout : kLayouts) {
          SCOPED_TRACE(testing::Message()
                       << at::IntArrayRef(sizes) << " " << name_of(layout) << " shared " << shared_u);
          check_neunorm<TypeParam>(sizes, shared_u, scale, layout, seed += 3);
        }
      }
    }
  }
}

template <class T>
void check_avg_pool(const Sizes& sizes, std::int64_t kernel, Layout layout, unsigned seed) {
  const auto n = sizes.size();
  kernels::PoolSize size;
  size.images = 1;
  for (std::size_t d = 0; d + 3 < n; ++d) size.images *= sizes[d];
  size.channels = sizes[n - 3];
  size.height = sizes[n - 2];
  size.width = sizes[n - 1];
  size.kernel = kernel;
  Sizes output_sizes = sizes;
  output_sizes[n - 2] = size.output_height();
  output_sizes[n - 1] = size.output_width();
  const at::Tensor input = random_normal(sizes, dtype_of<T>(), seed);
  const at::Tensor grad = random_normal(output_sizes, dtype_of<T>(), seed + 1);
  const auto x = channels_last_values<T>(input), g = channels_last_values<T>(grad);
  std::vector<T> output(g.size()), grad_input(x.size());
  reference::avg_pool_forward<T>(size, x.data(), output.data());
  reference::avg_pool_backward<T>(size, g.data(), grad_input.data());

  const at::Tensor x_leaf = leaf(input, layout);
  const at::Tensor got = avg_pool(x_leaf, kernel);
  ASSERT_TRUE(same(got, from_channels_last(output, output_sizes)));
  EXPECT_TRUE(got.movedim(-3, -1).is_contiguous());
  got.backward(with_layout(grad, other(layout)));
  EXPECT_TRUE(same(x_leaf.grad(), from_channels_last(grad_input, sizes)));
}

TYPED_TEST(OpsMatchTest, AvgPool) {
  unsigned seed = 3000;
  for (const Layout layout : kLayouts) {
    for (const Sizes& sizes : {Sizes{2, 3, 5, 6, 4}, Sizes{1, 1, 1, 3, 3}, Sizes{3, 2, 33, 7, 9},
                               Sizes{2, 0, 3, 4, 4}, Sizes{3, 5, 4}, Sizes{2, 3, 5, 4}}) {
      for (const std::int64_t kernel : {1, 2, 3}) {
        SCOPED_TRACE(testing::Message()
                     << at::IntArrayRef(sizes) << " " << name_of(layout) << " k " << kernel);
        check_avg_pool<TypeParam>(sizes, kernel, layout, seed += 2);
      }
    }
  }
}

TYPED_TEST(OpsMatchTest, Voting) {
  using T = TypeParam;
  unsigned seed = 4000;
  // P, K; classes in no order, of unequal sizes, one without neurons.
  const std::vector<std::int32_t> assignments[] = {{0}, {2, 0, 0, 2, 0}, {1, 0, 3, 1, 1, 0, 3, 3, 3, 1, 0}};
  for (const auto& class_of : assignments) {
    const auto population = static_cast<std::int64_t>(class_of.size());
    const std::int64_t num_classes = *std::max_element(class_of.begin(), class_of.end()) + 1;
    at::Tensor classes = at::empty({population}, at::kInt);
    std::memcpy(classes.data_ptr(), class_of.data(), class_of.size() * sizeof(std::int32_t));
    for (const Sizes& steps_batch : {Sizes{1, 1}, Sizes{4, 3}, Sizes{1, 5}, Sizes{3, 0}}) {
      for (const Layout layout : {Layout::kContiguous, Layout::kBatchFirst, Layout::kSliced}) {
        SCOPED_TRACE(testing::Message()
                     << "P " << population << " " << at::IntArrayRef(steps_batch) << " " << name_of(layout));
        const kernels::VotingSize size{steps_batch[0], steps_batch[1], population, num_classes};
        const Sizes sizes{size.num_steps, size.batch, population};
        const at::Tensor spikes = random_spikes(sizes, dtype_of<T>(), ++seed);
        const at::Tensor grad = random_normal({size.batch, num_classes}, dtype_of<T>(), ++seed);
        const auto s = values_of<T>(spikes), g = values_of<T>(grad);
        std::vector<T> votes(g.size()), grad_spikes(s.size());
        reference::voting_forward<T>(size, class_of.data(), s.data(), votes.data());
        reference::voting_backward<T>(size, class_of.data(), g.data(), grad_spikes.data());

        const at::Tensor x = leaf(spikes, layout);
        const at::Tensor got =
            voting(x, with_layout(classes.to(at::kDouble), layout).to(at::kInt), num_classes);
        ASSERT_TRUE(same(got, tensor_of<T>(votes, {size.batch, num_classes})));
        got.backward(with_layout(grad, layout));
        EXPECT_TRUE(same(x.grad(), tensor_of<T>(grad_spikes, sizes)));
      }
    }
  }
}

// The mask follows the memory order of the input where it has no gaps and time outermost, else the logical
// order.
TYPED_TEST(OpsMatchTest, Dropout) {
  using T = TypeParam;
  unsigned seed = 5000;
  for (const Sizes& sizes : kSizes) {
    for (const Layout layout : kLayouts) {
      for (const bool same_mask : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << at::IntArrayRef(sizes) << " " << name_of(layout) << " same " << same_mask);
        DropoutOptions options;
        options.rate = 0.3;
        options.same_mask_each_step = same_mask;
        options.key = 0xfedcba9876543210u + seed;
        options.counter = (std::uint64_t{3} << 48) | seed;
        const at::Tensor input = random_normal(sizes, dtype_of<T>(), ++seed);
        const at::Tensor grad = random_normal(sizes, dtype_of<T>(), ++seed);
        const bool last = layout == Layout::kChannelsLast;
        const auto in_order = [&](const at::Tensor& x) {
          return last ? channels_last_values<T>(x) : values_of<T>(x);
        };
        const auto back = [&](const std::vector<T>& x) {
          return last ? from_channels_last(x, sizes) : tensor_of<T>(x, sizes);
        };
        const kernels::DropoutSize size{sizes[0], input.numel() / sizes[0], same_mask};
        const kernels::DropoutKey key{options.key, options.counter};
        const auto x_values = in_order(input), g_values = in_order(grad);
        std::vector<T> output(x_values.size()), grad_input(g_values.size());
        reference::dropout_apply<T>(size, options.rate, key, x_values.data(), output.data());
        reference::dropout_apply<T>(size, options.rate, key, g_values.data(), grad_input.data());

        // Dense with one sample or one step, "batch first" is time outermost too, and of the same order.
        const at::Tensor x = leaf(input, layout);
        const at::Tensor got = dropout(x, options);
        ASSERT_TRUE(same(got, back(output)));
        got.backward(with_layout(grad, other(layout)));
        EXPECT_TRUE(same(x.grad(), back(grad_input)));
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom::ops::test
