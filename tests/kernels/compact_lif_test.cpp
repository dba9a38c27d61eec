// What the kernels that keep bits and codes keep: sizes, spikes, codes. The harness compares their results.
#include "spikeloom/kernels/cpu/compact_lif.h"

#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cpu/lif.h"
#include "tests/kernels/backends.h"
#include "tests/kernels/harness/neurons.h"

namespace spikeloom::kernels {
namespace {

std::vector<NeuronParams> variants() {
  std::vector<NeuronParams> all = harness::plain_neurons();
  for (const auto& params : test::general_neurons()) all.push_back(params);
  return all;
}

TEST(CompactLif, StateHasABitAByteOrTwoForEachNeuron) {
  NeuronParams params;
  params.detach_reset = true;
  EXPECT_EQ(state_bytes(params, 100), 16);
  params.detach_reset = false;
  EXPECT_EQ(state_bytes(params, 100), 100);
  params.surrogate = Surrogate::kTriangular;
  EXPECT_EQ(state_bytes(params, 100), 100);
  for (const auto surrogate : {Surrogate::kSigmoid, Surrogate::kArctan}) {
    params.surrogate = surrogate;
    EXPECT_EQ(state_bytes(params, 100), 200);
  }
}

TEST(CompactLif, FiresWhereTheFullKernelFires) {
  const PackedImages images{6, 2, 4, 4, 32, 1};
  const LifSize size{6, images.neurons(), false};
  const auto input = test::random_values<float>(size.num_steps * size.neurons, 5);
  const NeuronParams params;
  std::vector<float> spikes(input.size()), v_pre(input.size()), unpacked(input.size());
  const auto count = cpu::lif_forward(size, params, input.data(), v_pre.data(), spikes.data());
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(size.num_steps * packed_bytes(size.neurons)));
  EXPECT_EQ(cpu::compact_lif_forward(size, params, input.data(), packed.data(), nullptr).spikes, count);
  cpu::unpack_spikes(images, packed.data(), unpacked.data());
  EXPECT_EQ(unpacked, spikes);
}

TEST(CompactLif, ParameterGradientsNeedTheCodesOfAllNeurons) {
  const float gradient[64] = {};
  float grad_input[64];
  std::uint8_t spikes[8] = {}, open[8] = {};
  cpu::CodeStore codes(64, 1);
  const cpu::CompactLifState state{open, &codes, nullptr};
  for (const auto& params : variants()) {
    if (compact_state(params) == CompactState::kTailCode) continue;
    LifParameterGradients sums;
    EXPECT_THROW(cpu::compact_lif_backward({1, 64, false}, params, {1, 1, 1, 1, 64, 1}, gradient, spikes,
                                           state, grad_input, &sums),
                 ShapeError);
  }
}

TEST(CompactLif, CodeStandsForAValueWithinHalfAStep) {
  for (const auto& params : variants()) {
    const VPreCode code(params);
    if (!code.closes) continue;
    for (int i = 1; i < 1000; ++i) {
      const float x = code.half * (static_cast<float>(i) / 500.0f - 1.0f) * 0.999f;  // both signs
      ASSERT_NEAR(code.decode(code.encode(x), x >= 0.0f), x, 0.5001f * code.step);
    }
    for (const float factor : {1.0f, 3.0f, -1.0f, -3.0f}) EXPECT_EQ(code.encode(factor * code.half), 0);
  }
}

// Of a surrogate that is 0 nowhere: however far from the threshold, h(x) and x h(x) are those of a value
// whose |x| + c is within half a code, relatively (|x| + c) / 131072c, and what float rounds.
TEST(CompactLif, CodeOfASurrogateWithTailsHasNoBound) {
  for (const double width : {1.0, 0.25, 0.01}) {
    NeuronParams params;
    params.surrogate = Surrogate::kArctan;
    params.surrogate_width = width;
    const VPreCode code(params);
    ASSERT_FALSE(code.closes);
    const double c = width / 2;
    int before = 65536;
    for (double distance = 1e-6 * width; distance < 1e5 * width; distance *= 1.01) {
      const auto x = static_cast<float>(distance);
      const std::uint16_t kept = code.encode(x);
      ASSERT_EQ(kept, code.encode(-x));
      ASSERT_LE(kept, before);
      before = kept;
      const double decoded = code.decode(kept, true), half_step = (distance + c) / (131072 * c);
      EXPECT_EQ(code.decode(kept, false), -static_cast<float>(decoded));
      const double factor = (decoded + c) / (distance + c);
      if (half_step < 1.0) {
        EXPECT_LT(factor, 1.0 / (1.0 - half_step) + 5e-7) << "|x| " << distance;
      }
      EXPECT_GT(factor, 1.0 / (1.0 + half_step) - 5e-7) << "|x| " << distance;
    }
    EXPECT_EQ(code.encode(0.0f), 65535);
    EXPECT_GT(code.decode(65535, true), 0.0f);
    EXPECT_EQ(code.encode(std::numeric_limits<float>::quiet_NaN()), 65535);
    EXPECT_EQ(code.encode(std::numeric_limits<float>::infinity()), 0);
    EXPECT_EQ(code.encode(-3e38f), 0);
    EXPECT_TRUE(std::isfinite(code.decode(0, true)));
  }
}

TEST(BFloat16, RoundsToNearestEvenAndKeepsSpikesExact) {
  for (const float exact : {0.0f, 0.25f, 0.5f, 0.75f, 1.0f, -2.0f})
    EXPECT_EQ(to_float(from_float<BFloat16>(exact)), exact);
  EXPECT_EQ(to_float(from_float<BFloat16>(1.0f + 1.0f / 256)), 1.0f);               // tie: to even
  EXPECT_EQ(to_float(from_float<BFloat16>(1.0f + 3.0f / 256)), 1.0f + 4.0f / 256);  // tie: to even, upward
  EXPECT_TRUE(std::isnan(to_float(from_float<BFloat16>(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace spikeloom::kernels
