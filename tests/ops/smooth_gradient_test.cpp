// Smooth mode: with the surrogate's primitive in place of the step the backward pass is the exact gradient of
// the forward pass, and so must equal its finite differences, through time, through layers and for every
// parameter.
#include <gtest/gtest.h>

#include <functional>

#include "spikeloom/ops/lif.h"
#include "spikeloom/ops/neunorm.h"
#include "tests/ops/composition.h"
#include "tests/ops/tensors.h"
#include "tests/ops/variants.h"

namespace spikeloom::ops::test {
namespace {

using Leaves = std::vector<at::Tensor>;

/// The gradient of f by central differences. Their error is about step^2 / 6 times the third derivative.
Leaves finite_differences(const std::function<double(const Leaves&)>& f, const Leaves& at_point,
                          double step) {
  const at::NoGradGuard no_grad;
  Leaves point, gradients;
  for (const auto& x : at_point) point.push_back(x.detach().clone());
  for (const auto& x : point) {
    at::Tensor gradient = at::empty_like(x);
    double* values = x.data_ptr<double>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const double value = values[i];
      values[i] = value + step;
      const double above = f(point);
      values[i] = value - step;
      const double below = f(point);
      values[i] = value;
      gradient.data_ptr<double>()[i] = (above - below) / (2 * step);
    }
    gradients.push_back(gradient);
  }
  return gradients;
}

constexpr std::int64_t kSteps = 5, kBatch = 2, kInputs = 3, kOutputs = 4;
constexpr double kStep = 1e-5;
constexpr double kSmoothTolerance = 1e-7;

// Two LIF layers with weights between them; leaves: input, matrix, decay, v_threshold.
struct TwoLayers {
  NeuronParams params;
  at::Tensor loss_weights;

  double loss_value(const at::Tensor& spikes) const {
    return (spikes * loss_weights).sum().item().toDouble();
  }

  at::Tensor run(const Leaves& x) const {
    const at::Tensor first = lif(x[0], x[2], x[3], kSteps, params).spikes;
    return lif(at::matmul(first, x[1]), x[2], x[3], kSteps, params).spikes;
  }

  /// The same by plain operators, with both layers' reset gates at the given spikes.
  at::Tensor run_frozen(const Leaves& x, const at::Tensor& first_gates,
                        const at::Tensor& second_gates) const {
    const at::Tensor first = plain_lif(x[0], x[2], x[3], kSteps, params, {first_gates, {}}).spikes;
    return plain_lif(at::matmul(first, x[1]), x[2], x[3], kSteps, params, {second_gates, {}}).spikes;
  }

  /// Potentials keep their distance from the kinks of the primitive and of its derivative (on them finite
  /// differences mean nothing), and a third of them lie in the window, in both layers.
  bool suits(const Leaves& x) const {
    const at::NoGradGuard no_grad;
    const double a = params.surrogate_width;
    std::vector<double> kinks;
    if (params.surrogate == Surrogate::kRectangular) kinks = {-a / 2, a / 2};
    if (params.surrogate == Surrogate::kTriangular) kinks = {-a, 0.0, a};
    const PlainLif first = plain_lif(x[0], x[2], x[3], kSteps, params);
    const PlainLif second = plain_lif(at::matmul(first.spikes, x[1]), x[2], x[3], kSteps, params);
    for (const auto& v_pre : {first.v_pre, second.v_pre}) {
      const at::Tensor above = v_pre - x[3];
      if (above.abs().lt(a / 2).to(at::kDouble).mean().item().toDouble() < 1.0 / 3) return false;
      for (const double kink : kinks) {
        if ((above - kink).abs().min().item().toDouble() < 100 * kStep) return false;
      }
    }
    return true;
  }
};

Leaves draw_point(const TwoLayers& network, bool is_static, unsigned seed) {
  for (;; seed += 10) {
    const Leaves point = {leaf(random_normal({is_static ? 1 : kSteps, kBatch, kInputs}, at::kDouble, seed)),
                          leaf(random_normal({kInputs, kOutputs}, at::kDouble, seed + 1)),
                          leaf(at::scalar_tensor(network.params.decay, at::kDouble)),
                          leaf(at::scalar_tensor(network.params.v_threshold, at::kDouble))};
    if (network.suits(point)) return point;
  }
}

TEST(SmoothGradient, TwoLayersOfLif) {
  unsigned seed = 1;
  for (const NeuronParams& params : neuron_variants({true})) {
    for (const bool is_static : {false, true}) {
      SCOPED_TRACE(describe(params) + (is_static ? " static" : ""));
      const TwoLayers network{params, random_normal({kSteps, kBatch, kOutputs}, at::kDouble, seed)};
      const Leaves x = draw_point(network, is_static, seed += 1000);
      const at::Tensor spikes = network.run(x);
      (spikes * network.loss_weights).sum().backward();

      Leaves want;
      if (params.detach_reset) {
        // A cut path is the gradient of another forward pass: the one whose gates do not move.
        const at::NoGradGuard no_grad;
        const at::Tensor first = lif(x[0], x[2], x[3], kSteps, params).spikes;
        ASSERT_TRUE(close_to(network.run_frozen(x, first, spikes.detach()), spikes, 1e-14));
        want = finite_differences(
            [&](const Leaves& at_point) {
              return network.loss_value(network.run_frozen(at_point, first, spikes.detach()));
            },
            x, kStep);
      } else {
        want = finite_differences(
            [&](const Leaves& at_point) { return network.loss_value(network.run(at_point)); }, x, kStep);
      }
      const char* names[] = {"input", "matrix", "decay", "v_threshold"};
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_TRUE(close_to(x[i].grad(), want[i], kSmoothTolerance)) << names[i];
        EXPECT_GT(largest(want[i]), 1e-3) << names[i];
      }
    }
  }
}

// One neuron, one step: the gradient is the surrogate itself, the derivative of its primitive.
TEST(SmoothGradient, OneStepIsTheSurrogate) {
  for (const NeuronParams& params : neuron_variants({true})) {
    const at::Tensor decay = at::scalar_tensor(params.decay, at::kDouble);
    const at::Tensor threshold = at::scalar_tensor(params.v_threshold, at::kDouble);
    // 81 points across the window and beyond, 1/80 of a width off the kinks.
    const at::Tensor x =
        leaf((at::arange(81, at::kDouble) / 20 - 2 + 0.0125) * params.surrogate_width + params.v_threshold)
            .unsqueeze(0)
            .detach()
            .set_requires_grad(true);
    lif(x, decay, threshold, 1, params).spikes.sum().backward();
    const at::NoGradGuard no_grad;
    const at::Tensor want = (lif(x + kStep, decay, threshold, 1, params).spikes -
                             lif(x - kStep, decay, threshold, 1, params).spikes) /
                            (2 * kStep);
    EXPECT_TRUE(close_to(x.grad(), want, kSmoothTolerance)) << describe(params);
    EXPECT_NEAR(largest(x.grad()), 1 / params.surrogate_width, 0.05) << describe(params);
  }
}

// Smooth neurons make real-valued maps; U, spikes and what lies before learn through NeuNorm.
TEST(SmoothGradient, LifAndNeuNorm) {
  for (const bool shared_u : {true, false}) {
    NeuronParams params;
    params.surrogate = Surrogate::kSigmoid;
    params.smooth = true;
    const at::Tensor weights = random_normal({4, 2, 3, 2, 2}, at::kDouble, 1);
    const Leaves x = {leaf(random_normal({4, 2, 3, 2, 2}, at::kDouble, 2)),
                      leaf(random_normal({shared_u ? 1 : 3, 2, 2}, at::kDouble, 3)),
                      leaf(at::scalar_tensor(0.4, at::kDouble)), leaf(at::scalar_tensor(0.6, at::kDouble))};
    const auto loss = [&](const Leaves& p) {
      return (neunorm(lif(p[0], p[2], p[3], 4, params).spikes, p[1], 0.8, 0.2 / 3) * weights).sum();
    };
    loss(x).backward();
    const Leaves want =
        finite_differences([&](const Leaves& p) { return loss(p).item().toDouble(); }, x, kStep);
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_TRUE(close_to(x[i].grad(), want[i], kSmoothTolerance)) << i;
  }
}

}  // namespace
}  // namespace spikeloom::ops::test
