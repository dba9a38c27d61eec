// What the dispatcher knows, modes without autograd, and what each operator refuses.
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/ops/avg_pool.h"
#include "spikeloom/ops/dropout.h"
#include "spikeloom/ops/lif.h"
#include "spikeloom/ops/neunorm.h"
#include "spikeloom/ops/operator_handle.h"
#include "spikeloom/ops/voting.h"
#include "tests/ops/tensors.h"

namespace spikeloom::ops::test {
namespace {

// An operator that the linker dropped, or one without a test, shows here.
TEST(Dispatch, HasEveryOperatorAndNoOther) {
  const std::set<std::string> want = {
      "avg_pool", "avg_pool_backward", "dropout",          "lif",    "lif_forward",    "lif_backward",
      "neunorm",  "neunorm_forward",   "neunorm_backward", "voting", "voting_backward"};
  std::set<std::string> got;
  const std::string prefix = "spikeloom::";
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
    if (name.name.compare(0, prefix.size(), prefix) == 0) got.insert(name.name.substr(prefix.size()));
  }
  EXPECT_EQ(got, want);
  for (const std::string& name : want) {
    const auto op = c10::Dispatcher::singleton().findSchemaOrThrow((prefix + name).c_str(), "");
    EXPECT_TRUE(op.hasKernelForDispatchKey(c10::DispatchKey::CPU) ||
                op.hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd))
        << name;
  }
}

at::Tensor scalar(double value) { return at::scalar_tensor(value, at::kDouble); }

at::Tensor every_operator(const at::Tensor& input, const at::Tensor& u, const at::Tensor& class_of) {
  at::Tensor x = lif(input, scalar(0.5), scalar(0.75), 3, {}).spikes;
  x = avg_pool(neunorm(x, u, 0.8, 0.1), 2);
  DropoutOptions half;
  x = dropout(x, half);
  return voting(x.flatten(2), class_of, 2);
}

TEST(Dispatch, EveryOperatorRunsWithoutAutograd) {
  const at::Tensor input = random_normal({3, 2, 4, 4, 4}, at::kFloat, 1).set_requires_grad(true);
  const at::Tensor u = random_normal({1, 4, 4}, at::kFloat, 2).set_requires_grad(true);
  const at::Tensor class_of = at::arange(16, at::kInt).remainder(2).to(at::kInt);
  const at::Tensor want = every_operator(input, u, class_of);
  EXPECT_TRUE(want.requires_grad());
  EXPECT_GT(largest(want), 0.0);
  {
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(same(every_operator(input, u, class_of), want));
  }
  const c10::InferenceMode inference;
  const at::Tensor got = every_operator(input.clone(), u.clone(), class_of.clone());
  EXPECT_FALSE(got.requires_grad());
  EXPECT_TRUE(same(got, want.clone()));
}

// The same graph may be walked twice where the caller keeps it.
TEST(Dispatch, GradientsAccumulateOverRetainedGraphs) {
  const at::Tensor input = leaf(random_normal({3, 2, 4, 4, 4}, at::kDouble, 1));
  const at::Tensor u = leaf(random_normal({1, 4, 4}, at::kDouble, 2));
  const at::Tensor class_of = at::arange(16, at::kInt).remainder(2).to(at::kInt);
  const at::Tensor loss = every_operator(input, u, class_of).square().sum();
  loss.backward({}, true);
  const at::Tensor once = input.grad().clone();
  EXPECT_GT(largest(once), 0.0);
  loss.backward();
  EXPECT_TRUE(same(input.grad(), 2 * once));
}

template <class ErrorType>
void expect_error(const std::function<void()>& call, const std::vector<std::string>& parts) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown, expected " << parts.front();
  } catch (const ErrorType& error) {
    const std::string text = error.what();
    for (const auto& part : parts) EXPECT_NE(text.find(part), std::string::npos) << text << " lacks " << part;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

at::Tensor zeros(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) { return at::zeros(sizes, dtype); }

TEST(Errors, Lif) {
  const auto call = [](const at::Tensor& input, std::int64_t num_steps,
                       const kernels::NeuronParams& params = {}, const at::Tensor& decay = scalar(0.5),
                       const at::Tensor& v_threshold = scalar(1.0)) {
    return [=] { lif(input, decay, v_threshold, num_steps, params); };
  };
  expect_error<ShapeError>(call(zeros({3, 2}), 4), {"lif: input", "num_steps = 4", "[3, 2]"});
  expect_error<ShapeError>(call(zeros({0, 2}), 4), {"lif: input", "[0, 2]"});
  expect_error<ShapeError>(call(zeros({}), 1), {"lif: input", "[T, N, ...]"});
  expect_error<ShapeError>(call(zeros({2, 2}), 0), {"lif: num_steps", "0"});
  expect_error<ShapeError>(call(zeros({2, 2}, at::kInt), 2), {"lif: input", "Int"});
  expect_error<ShapeError>(call(zeros({2, 2}, at::kHalf), 2), {"lif: input", "Half"});
  expect_error<ShapeError>(call(zeros({2, 2}), 2, {}, zeros({3})), {"lif: decay", "[3]"});
  expect_error<ShapeError>(call(zeros({2, 2}), 2, {}, scalar(1), zeros({2, 1})),
                           {"lif: v_threshold", "[2, 1]"});
  kernels::NeuronParams params;
  params.surrogate_width = 0.0;
  expect_error<ConfigError>(call(zeros({2, 2}), 2, params), {"lif: surrogate_width", "0"});
  params = {};
  params.surrogate = static_cast<kernels::Surrogate>(4);
  expect_error<ConfigError>(call(zeros({2, 2}), 2, params), {"lif: surrogate", "4"});
  params = {};
  params.reset = static_cast<kernels::Reset>(-1);
  expect_error<ConfigError>(call(zeros({2, 2}), 2, params), {"lif: reset", "-1"});
}

TEST(Errors, AvgPool) {
  const auto call = [](const at::Tensor& input, std::int64_t kernel) {
    return [=] { avg_pool(input, kernel); };
  };
  expect_error<ShapeError>(call(zeros({4, 4}), 2), {"avg_pool: input", "[..., C, H, W]", "[4, 4]"});
  expect_error<ShapeError>(call(zeros({1, 4, 4}), 0), {"avg_pool: kernel", "0"});
  expect_error<ShapeError>(call(zeros({1, 4, 2}), 3), {"avg_pool: input", "3", "[1, 4, 2]"});
  expect_error<ShapeError>(call(zeros({1, 2, 4}), 3), {"avg_pool: input", "3", "[1, 2, 4]"});
  expect_error<ShapeError>(call(zeros({1, 4, 4}, at::kLong), 2), {"avg_pool: input", "Long"});
}

TEST(Errors, NeuNorm) {
  const auto call = [](const at::Tensor& spikes, const at::Tensor& u) {
    return [=] { neunorm(spikes, u, 0.8, 0.1); };
  };
  const at::Tensor spikes = zeros({2, 1, 3, 4, 5});
  expect_error<ShapeError>(call(zeros({1, 3, 4, 5}), zeros({3, 4, 5})), {"neunorm: spikes", "[1, 3, 4, 5]"});
  expect_error<ShapeError>(call(spikes, zeros({2, 4, 5})), {"neunorm: u", "[2, 4, 5]"});
  expect_error<ShapeError>(call(spikes, zeros({3, 5, 4})), {"neunorm: u", "[3, 5, 4]"});
  expect_error<ShapeError>(call(spikes, zeros({4, 5})), {"neunorm: u", "[4, 5]"});
  expect_error<ShapeError>(call(spikes, zeros({3, 4, 5}, at::kDouble)), {"neunorm: u", "Float", "Double"});
  expect_error<ShapeError>(call(zeros({2, 1, 3, 4, 5}, at::kBool), zeros({3, 4, 5})),
                           {"neunorm: spikes", "Bool"});
}

TEST(Errors, Voting) {
  const auto call = [](const at::Tensor& spikes, const at::Tensor& class_of, std::int64_t num_classes) {
    return [=] { voting(spikes, class_of, num_classes); };
  };
  const at::Tensor classes = at::arange(4, at::kInt);
  expect_error<ShapeError>(call(zeros({2, 4}), classes, 4), {"voting: spikes", "[T, N, P]", "[2, 4]"});
  expect_error<ShapeError>(call(zeros({2, 1, 5}), classes, 4), {"voting: class_of", "P = 5", "[4]"});
  expect_error<ShapeError>(call(zeros({2, 1, 4}), classes.to(at::kLong), 4), {"voting: class_of", "Long"});
  expect_error<ShapeError>(call(zeros({2, 1, 4}), classes, 3), {"voting: class_of[3] = 3", "0 ... 2"});
  expect_error<ShapeError>(call(zeros({2, 1, 4}), classes - 1, 4), {"voting: class_of[0] = -1"});
  expect_error<ShapeError>(call(zeros({2, 1, 4}, at::kInt), classes, 4), {"voting: spikes", "Int"});
}

TEST(Errors, Dropout) {
  const auto call = [](const at::Tensor& input, double rate) {
    DropoutOptions options;
    options.rate = rate;
    return [=] { dropout(input, options); };
  };
  expect_error<ConfigError>(call(zeros({2, 4}), 1.0), {"dropout: rate", "1.0"});
  expect_error<ConfigError>(call(zeros({2, 4}), -0.1), {"dropout: rate", "-0.1"});
  expect_error<ConfigError>(call(zeros({2, 4}), std::nan("")), {"dropout: rate", "nan"});
  expect_error<ShapeError>(call(zeros({}), 0.5), {"dropout: input"});
  expect_error<ShapeError>(call(zeros({2, 4}, at::kInt), 0.5), {"dropout: input", "Int"});
}

// The backward operators are registered too, and anyone may call them.
TEST(Errors, BackwardOperators) {
  using T = const at::Tensor&;
  const auto avg_pool_backward = operator_handle<at::Tensor(T, std::int64_t, std::int64_t, std::int64_t)>(
      "spikeloom::avg_pool_backward");
  expect_error<ShapeError>(
      [&] {
        avg_pool_backward.call(zeros({1, 2, 2}), 6, 4, 2);
      },
      {"avg_pool_backward: grad_output", "H = 6", "[1, 2, 2]"});
  expect_error<ShapeError>([&] { avg_pool_backward.call(zeros({1, 2, 2}), 4, 4, 0); }, {"k = 0"});
  expect_error<ShapeError>([&] { avg_pool_backward.call(zeros({2, 2}), 4, 4, 2); }, {"[2, 2]"});

  const auto voting_backward = operator_handle<at::Tensor(T, T, std::int64_t)>("spikeloom::voting_backward");
  const at::Tensor classes = at::arange(4, at::kInt);
  expect_error<ShapeError>([&] { voting_backward.call(zeros({2, 3}), classes, 2); }, {"class_of[3] = 3"});
  expect_error<ShapeError>([&] { voting_backward.call(zeros({3}), classes, 2); }, {"grad_votes", "[3]"});
  expect_error<ShapeError>([&] { voting_backward.call(zeros({2, 4}), classes, -1); }, {"num_steps", "-1"});

  const auto neunorm_backward = operator_handle<std::tuple<at::Tensor, at::Tensor>(T, T, T, double, double)>(
      "spikeloom::neunorm_backward");
  const auto neunorm_call = [&](const at::Tensor& grad, const at::Tensor& u, const at::Tensor& x) {
    return [=] { neunorm_backward.call(grad, u, x, 0.8, 0.1); };
  };
  const at::Tensor maps = zeros({2, 1, 3, 4, 5}), shared_u = zeros({1, 4, 5}), sums = zeros({2, 1, 4, 5});
  expect_error<ShapeError>(neunorm_call(maps[0], shared_u, sums), {"grad_output", "[1, 3, 4, 5]"});
  expect_error<ShapeError>(neunorm_call(maps, zeros({2, 4, 5}), sums), {"neunorm_backward: u", "[2, 4, 5]"});
  expect_error<ShapeError>(neunorm_call(maps, shared_u, zeros({2, 1, 5, 4})),
                           {"neunorm_backward: x", "[2, 1, 5, 4]"});
  expect_error<ShapeError>(neunorm_call(maps, shared_u, sums.to(at::kDouble)),
                           {"neunorm_backward: x", "Double"});

  const auto lif_backward = operator_handle<std::tuple<at::Tensor, at::Tensor, at::Tensor>(
      T, T, T, T, T, bool, std::int64_t, double, std::int64_t, bool, bool, bool, double, double)>(
      "spikeloom::lif_backward");
  const auto lif_call = [&](const at::Tensor& grad_spikes, const at::Tensor& v_pre,
                            const at::Tensor& spikes) {
    return [=] {
      lif_backward.call(grad_spikes, v_pre, spikes, scalar(0.5), scalar(1.0), false, 0, 1.0, 0, false, false,
                        true, 0.0, 0.0);
    };
  };
  const at::Tensor two = zeros({2, 3});
  expect_error<ShapeError>(lif_call(zeros({3, 2}), two, two), {"lif_backward: grad_spikes", "[3, 2]"});
  expect_error<ShapeError>(lif_call(two, zeros({2, 2}), two), {"lif_backward: v_pre", "[2, 2]"});
  expect_error<ShapeError>(lif_call(two, two.to(at::kDouble), two), {"lif_backward: v_pre", "Double"});
  expect_error<ShapeError>(lif_call(zeros({0, 3}), zeros({0, 3}), zeros({0, 3})),
                           {"lif_backward: spikes", "[0, 3]"});
}

}  // namespace
}  // namespace spikeloom::ops::test
