// Compact state of neurons whose decay and threshold are learnable: sums and codes.
#include <gtest/gtest.h>

#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/compact_lif.h"
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
