// Losses of votes: the reference against finite differences and values that are written out, CPU kernels
// against the reference.
#include "spikeloom/kernels/cpu/voting_loss.h"

#include <gtest/gtest.h>

#include "tests/kernels/voting_loss_cases.h"

namespace spikeloom::kernels::test {
namespace {

template <class T>
void compare_with_reference(const VotingLossProblem& p, const VotingLossParams& params) {
  VotingLossResult<T> want(p.size), got(p.size);
  reference::voting_loss(p.size, params, p.class_of.data(), p.packed.data(), p.labels.data(), want.output());
  cpu::voting_loss(p.size, params, p.class_of.data(), p.packed.data(), p.labels.data(), got.output());
  expect_same_loss(got, want, 0.0);
  VotingLossResult<T> want_of_values(p.size), got_of_values(p.size);
  reference::readout_loss(p.size, params, p.class_of.data(), p.values.data(), p.labels.data(),
                          want_of_values.output());
  cpu::readout_loss(p.size, params, p.class_of.data(), p.values.data(), p.labels.data(),
                    got_of_values.output());
  expect_same_loss(got_of_values, want_of_values, 3e-7);
}

TEST(VotingLoss, EqualsItsReference) {
  for (const int threads : {1, 3}) {
    const ThreadCount count(threads);
    for (const VotingSize& size : voting_loss_sizes()) {
      const VotingLossProblem p(size);
      for (const auto& params : voting_losses()) {
        SCOPED_TRACE(describe(size, params));
        compare_with_reference<float>(p, params);
        compare_with_reference<BFloat16>(p, params);
      }
    }
  }
}

TEST(VotingLoss, GradientEqualsFiniteDifferences) {
  constexpr double kStep = 1e-5;
  const VotingLossProblem p({4, 3, 10, 3});
  std::vector<double> values(p.values.begin(), p.values.end()), votes(9), gradient(values.size());
  for (const auto& params : voting_losses()) {
    double loss = 0.0;
    const auto run = [&](double* to) {
      reference::readout_loss<double, double>(p.size, params, p.class_of.data(), values.data(),
                                              p.labels.data(), {votes.data(), to, &loss});
      return loss;
    };
    run(gradient.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = values[i];
      values[i] = value + kStep;
      const double above = run(nullptr);
      values[i] = value - kStep;
      const double below = run(nullptr);
      values[i] = value;
      ASSERT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-7) << describe(p.size, params) << " " << i;
    }
  }
}

// Two steps, two classes, one neuron each, written out.
TEST(VotingLoss, OfEachStepIsThatOfTet) {
  const VotingSize size{2, 1, 2, 2};
  const std::vector<std::int32_t> class_of{0, 1};
  const std::vector<float> values{1.0f, 0.0f, 0.0f, 1.0f};  // the first step is right, the second wrong
  const std::int64_t label = 0;
  VotingLossParams params;
  params.kind = VotingLossKind::kCrossEntropy;
  const auto loss_of = [&] {
    VotingLossResult<float> result(size);
    cpu::readout_loss(size, params, class_of.data(), values.data(), &label, result.output());
    return result.loss;
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

TEST(VotingLoss, LabelOutsideMakesTheLossNaN) {
  VotingLossProblem p({2, 2, 4, 3});
  for (const std::int64_t label : {-1, 3}) {
    p.labels = {0, label};
    for (const auto& params : voting_losses()) {
      VotingLossResult<float> got(p.size);
      cpu::voting_loss(p.size, params, p.class_of.data(), p.packed.data(), p.labels.data(), got.output());
      EXPECT_TRUE(std::isnan(got.loss));
      EXPECT_EQ(got.not_finite, 1u);
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::test
