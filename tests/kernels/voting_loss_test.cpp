// A loss of votes that is written out.
#include "spikeloom/kernels/reference/voting_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace spikeloom::kernels::test {
namespace {

// Two steps, two classes, one neuron each, written out.
TEST(VotingLoss, OfEachStepIsThatOfTet) {
  const VotingSize size{2, 1, 2, 2};
  const std::vector<std::int32_t> class_of{0, 1};
  const std::vector<float> values{1.0f, 0.0f, 0.0f, 1.0f};  // the first step is right, the second wrong
  const std::int64_t label = 0;
  VotingLossParams params;
  params.kind = VotingLossKind::kCrossEntropy;
  const auto loss_of = [&] {
    double loss = 0.0;
    std::vector<float> votes(2);
    reference::readout_loss<float, float>(size, params, class_of.data(), values.data(), &label,
                                          {votes.data(), nullptr, &loss});
    return loss;
  };
  EXPECT_NEAR(loss_of(), std::log(2.0), 1e-12);  // the mean votes are equal
  params.each_step = true;
  const double right = std::log(1.0 + std::exp(-1.0)), wrong = std::log(1.0 + std::exp(1.0));
  EXPECT_NEAR(loss_of(), (right + wrong) / 2, 1e-12);
  params.tet_weight = 0.25;
  params.tet_target = 1.0;
  EXPECT_NEAR(loss_of(), 0.75 * (right + wrong) / 2 + 0.25 * 0.5, 1e-12);  // (0 + 1) / 2 a step
  params.label_smoothing = 0.5;                                            // target (0.75, 0.25)
  EXPECT_NEAR(loss_of(), 0.75 * (right + 0.25 + wrong - 0.25) / 2 + 0.25 * 0.5, 1e-12);
}

}  // namespace
}  // namespace spikeloom::kernels::test
