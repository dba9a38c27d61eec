// The gradient of the LIF layer against finite differences of its forward pass, in double, in smooth mode.
#include <gtest/gtest.h>

#include "spikeloom/kernels/reference/surrogate.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {
namespace {

using Values = std::vector<double>;
constexpr std::int64_t kSteps = 5;
constexpr std::int64_t kNeurons = 7;
constexpr double kStep = 1e-6;
// Rounding (1e-16 / kStep) and the third derivative (kStep^2) are both far below.
constexpr double kTolerance = 2e-8;

double dot(const Values& a, const Values& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Values forward_spikes(const Backend& backend, const LifSize& size, const NeuronParams& params,
                      const Values& input) {
  Values spikes(static_cast<std::size_t>(size.num_steps * size.neurons));
  backend.lif_forward<double>(size, params, input.data(), nullptr, spikes.data());
  return spikes;
}

// The same neuron with the gates of the reset held at given values: what a cut reset path means.
Values frozen_spikes(const LifSize& size, const NeuronParams& params, const Values& input,
                     const Values& gates) {
  Values spikes(gates.size());
  for (std::int64_t i = 0; i < size.neurons; ++i) {
    double v_post = 0.0, current = 0.0;
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      const auto at = static_cast<std::size_t>(t * size.neurons + i);
      current = params.current_decay * current + input[size.static_input ? static_cast<std::size_t>(i) : at];
      const double v = params.decay * v_post + current;
      spikes[at] =
          reference::surrogate_primitive(params.surrogate, v - params.v_threshold, params.surrogate_width);
      v_post = v;
      if (params.reset == Reset::kZero) v_post = v + (params.v_reset - v) * gates[at];
      if (params.reset == Reset::kSubtract) v_post = v - params.v_threshold * gates[at];
    }
  }
  return spikes;
}

template <class Loss>
double slope(const Loss& loss, double& at) {
  const double value = at;
  at = value + kStep;
  const double above = loss();
  at = value - kStep;
  const double below = loss();
  at = value;
  return (above - below) / (2 * kStep);
}

void check_gradient(const Backend& backend, const NeuronParams& neuron, bool static_input) {
  SCOPED_TRACE(testing::Message() << backend.name << " surrogate " << static_cast<int>(neuron.surrogate)
                                  << " reset " << static_cast<int>(neuron.reset) << " static " << static_input
                                  << " detach " << neuron.detach_reset << " v_reset " << neuron.v_reset
                                  << " current " << neuron.current_decay);
  const LifSize size{kSteps, kNeurons, static_input};
  NeuronParams params = neuron;
  const bool detach = params.detach_reset;
  params.decay = 0.6;
  params.v_threshold = 0.5;
  params.surrogate_width = 1.7;
  params.smooth = true;
  // Odd denominators: no potential lands on a kink of the piecewise surrogates.
  Values input = random_values<double>((static_input ? 1 : kSteps) * kNeurons, 11, 0.61803);
  for (double& value : input) value += 0.21237;
  const Values weights = random_values<double>(kSteps * kNeurons, 12);

  Values v_pre(weights.size()), spikes(weights.size()), grad_input(input.size());
  LifParameterGradients gradients;
  backend.lif_forward<double>(size, params, input.data(), v_pre.data(), spikes.data());
  backend.lif_backward<double>(size, params, weights.data(), v_pre.data(), spikes.data(), grad_input.data(),
                               &gradients);

  const auto loss = [&] {
    return dot(weights, detach ? frozen_spikes(size, params, input, spikes)
                               : forward_spikes(backend, size, params, input));
  };
  double moved = 0.0;
  for (std::size_t i = 0; i < input.size(); ++i) {
    EXPECT_NEAR(grad_input[i], slope(loss, input[i]), kTolerance) << "input " << i;
    moved += std::abs(grad_input[i]);
  }
  EXPECT_GT(moved, 0.1);  // or the comparison says nothing
  EXPECT_NEAR(gradients.decay, slope(loss, params.decay), 10 * kTolerance);
  EXPECT_NEAR(gradients.v_threshold, slope(loss, params.v_threshold), 10 * kTolerance);
}

TEST(LifGradientTest, EqualsFiniteDifferences) {
  for (const Backend& backend : all_backends()) {
    for (const Surrogate surrogate :
         {Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid, Surrogate::kArctan}) {
      for (const Reset reset : {Reset::kZero, Reset::kSubtract, Reset::kNone}) {
        for (const bool static_input : {false, true}) {
          for (const bool detach : {false, true}) {
            NeuronParams params;
            params.surrogate = surrogate;
            params.reset = reset;
            params.detach_reset = detach;
            check_gradient(backend, params, static_input);
            params.current_decay = 0.37;
            check_gradient(backend, params, static_input);
            if (reset == Reset::kZero) params.v_reset = -0.23;
            check_gradient(backend, params, static_input);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::test
