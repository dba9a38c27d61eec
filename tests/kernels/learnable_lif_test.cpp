// Compact state of neurons whose decay and threshold are learnable, against the exact gradients in double.
#include <gtest/gtest.h>

#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/compact_lif.h"
#include "spikeloom/kernels/reference/compact_lif.h"
#include "spikeloom/kernels/reference/lif.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

std::vector<NeuronParams> learnable_neurons() {
  std::vector<NeuronParams> all;
  for (const auto surrogate :
       {Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid, Surrogate::kArctan}) {
    for (const auto reset : {Reset::kZero, Reset::kSubtract, Reset::kNone}) {
      for (const bool detach : {false, true}) {
        for (const double width : {1.0, 0.2}) {
          NeuronParams params;
          params.decay = 0.6;
          params.surrogate = surrogate;
          params.surrogate_width = width;
          params.reset = reset;
          params.detach_reset = detach;
          params.learnable = true;
          all.push_back(params);
          params.current_decay = 0.4;
          params.v_reset = -0.2;
          all.push_back(params);
        }
      }
    }
  }
  return all;
}

struct Gradients {
  std::vector<double> input;
  LifParameterGradients parameters;
};

/// Of the exact kernel, in double.
Gradients exact(const LifSize& size, const NeuronParams& params, const std::vector<float>& input,
                const std::vector<float>& gradient) {
  const std::vector<double> wide(input.begin(), input.end()), wide_gradient(gradient.begin(), gradient.end());
  std::vector<double> v_pre(gradient.size()), spikes(gradient.size());
  Gradients result;
  result.input.resize(input.size());
  reference::lif_forward(size, params, wide.data(), v_pre.data(), spikes.data());
  reference::lif_backward(size, params, wide_gradient.data(), v_pre.data(), spikes.data(),
                          result.input.data(), &result.parameters);
  return result;
}

Gradients compact(const LifSize& size, const NeuronParams& params, const std::vector<float>& input,
                  const std::vector<float>& gradient) {
  std::vector<std::uint8_t> spikes(static_cast<std::size_t>(size.num_steps * packed_bytes(size.neurons)));
  std::vector<std::uint16_t> codes(gradient.size());
  cpu::CompactLifState state;
  state.all_codes = codes.data();
  cpu::compact_lif_forward(size, params, input.data(), spikes.data(), &state);
  std::vector<float> grad_input(input.size());
  Gradients result;
  cpu::compact_lif_backward(size, params, {size.num_steps, 1, 1, 1, size.neurons, 1}, gradient.data(),
                            spikes.data(), state, grad_input.data(), &result.parameters);
  result.input.assign(grad_input.begin(), grad_input.end());
  return result;
}

TEST(LearnableLif, GradientsAreTheExactOnes) {
  for (const bool is_static : {false, true}) {
    const LifSize size{6, 3000, is_static};
    auto input = test::random_values<float>((is_static ? 1 : size.num_steps) * size.neurons, 1, 0.7);
    // Off the multiples of 1/4: a spike in double must be one in float.
    for (float& value : input) value += 0.2137f;
    auto gradient = test::random_values<float>(size.num_steps * size.neurons, 2, 0.5);
    for (float& value : gradient) value += 1.0f;  // or the sums nearly cancel, and say little about errors
    for (const auto& params : learnable_neurons()) {
      const Gradients want = exact(size, params, input, gradient),
                      got = compact(size, params, input, gradient);
      SCOPED_TRACE(testing::Message() << "surrogate " << static_cast<int>(params.surrogate) << " reset "
                                      << static_cast<int>(params.reset) << " detach " << params.detach_reset
                                      << " width " << params.surrogate_width << " current "
                                      << params.current_decay << " static " << is_static);
      EXPECT_NEAR(got.parameters.decay, want.parameters.decay, 5e-3 * std::abs(want.parameters.decay));
      EXPECT_NEAR(got.parameters.v_threshold, want.parameters.v_threshold,
                  5e-3 * std::abs(want.parameters.v_threshold));
      double error = 0.0, norm = 0.0;
      for (std::size_t i = 0; i < want.input.size(); ++i) {
        error += std::pow(got.input[i] - want.input[i], 2);
        norm += std::pow(want.input[i], 2);
      }
      EXPECT_LT(std::sqrt(error / norm), 1e-3);
    }
  }
}

TEST(LearnableLif, SumsDoNotDependOnTheNumberOfThreads) {
  const LifSize size{3, 70001, false};
  const auto input = test::random_values<float>(size.num_steps * size.neurons, 1);
  const auto gradient = test::random_values<float>(size.num_steps * size.neurons, 2);
  NeuronParams params;
  params.learnable = true;
  LifParameterGradients first;
  for (const int threads : {1, 2, 5}) {
    const test::ThreadCount count(threads);
    const Gradients got = compact(size, params, input, gradient);
    if (threads == 1) first = got.parameters;
    EXPECT_EQ(got.parameters.decay, first.decay);
    EXPECT_EQ(got.parameters.v_threshold, first.v_threshold);
  }
}

// x is decoded within (|x| + c)^2 / 131072c, and lies in the rectangular window exactly where it did.
TEST(LearnableLif, CodesOfEverySurrogateHaveTails) {
  for (const auto& params : learnable_neurons()) {
    ASSERT_EQ(compact_state(params), CompactState::kTailCode);
    const VPreCode code(params);
    const double c = params.surrogate_width / 2;
    for (double distance = 1e-6; distance < 20.0 * params.surrogate_width; distance *= 1.003) {
      const auto x = static_cast<float>(distance);
      const double decoded = code.decode(code.encode(x), true);
      const double bound = (distance + c) * (distance + c) / (131072 * c);
      ASSERT_NEAR(decoded, distance, 1.01 * bound + 1e-6 * (distance + c));
      if (params.surrogate == Surrogate::kRectangular) {
        ASSERT_EQ(static_cast<float>(decoded) < code.half, x < code.half) << distance;
      }
    }
    if (params.surrogate != Surrogate::kRectangular) continue;
    EXPECT_GT(code.decode(code.encode(code.half), true), code.half);
    EXPECT_LT(code.decode(code.encode(std::nextafter(code.half, 0.0f)), true), code.half);
    EXPECT_GT(code.decode(code.encode(std::numeric_limits<float>::quiet_NaN()), true), code.half);
  }
}

}  // namespace
}  // namespace spikeloom::kernels
