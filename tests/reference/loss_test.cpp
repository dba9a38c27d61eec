// Losses against numbers worked out by hand, and decisions.
#include "tests/reference/loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "spikeloom/base/errors.h"
#include "tests/ops/tensors.h"

namespace spikeloom::reference {
namespace {

at::Tensor votes() { return at::tensor({0.5, 0.25, 0.0, 1.0, 0.0, 0.75}, at::kDouble).view({2, 3}); }
at::Tensor labels() { return at::tensor({0, 2}, at::kLong); }

// (0.5 - 1)^2 + 0.25^2 + 0 = 0.3125 and 1 + 0 + (0.75 - 1)^2 = 1.0625.
TEST(Loss, MeanSquares) {
  EXPECT_DOUBLE_EQ(mse_loss(votes(), labels(), Reduction::kSum).item().toDouble(), 1.375 / 2);
  EXPECT_DOUBLE_EQ(mse_loss(votes(), labels(), Reduction::kMean).item().toDouble(), 1.375 / 6);
  const at::Tensor x = ops::test::leaf(votes());
  mse_loss(x, labels(), Reduction::kSum).backward();
  // 2 (vote - target) / N
  EXPECT_TRUE(ops::test::within(
      x.grad(), at::tensor({-0.5, 0.25, 0.0, 1.0, 0.0, -0.25}, at::kDouble).view({2, 3}), 1e-15));
}

TEST(Loss, CrossEntropy) {
  const double first = -2.0 + std::log(std::exp(2.0) + std::exp(1.0) + 1.0);
  const double second = -3.0 + std::log(std::exp(4.0) + 1.0 + std::exp(3.0));
  EXPECT_NEAR(cross_entropy_loss(votes(), labels(), 4.0).item().toDouble(), (first + second) / 2, 1e-14);
  const double unscaled = -0.5 + std::log(std::exp(0.5) + std::exp(0.25) + 1.0);
  EXPECT_NEAR(cross_entropy_loss(votes().slice(0, 0, 1), labels().slice(0, 0, 1), 1.0).item().toDouble(),
              unscaled, 1e-14);
}

TEST(Loss, FloatVotesGiveFloatLosses) {
  const at::Tensor x = votes().to(at::kFloat);
  EXPECT_EQ(mse_loss(x, labels(), Reduction::kMean).scalar_type(), at::kFloat);
  EXPECT_EQ(cross_entropy_loss(x, labels(), 2.0).scalar_type(), at::kFloat);
  EXPECT_NEAR(mse_loss(x, labels(), Reduction::kMean).item().toDouble(), 1.375 / 6, 1e-7);
}

TEST(Loss, RefusesOtherShapes) {
  const at::Tensor short_labels = at::tensor({0}, at::kLong);
  EXPECT_THROW(mse_loss(votes(), short_labels, Reduction::kMean), ShapeError);
  EXPECT_THROW(mse_loss(votes().flatten(), labels(), Reduction::kMean), ShapeError);
  EXPECT_THROW(cross_entropy_loss(votes(), labels().view({2, 1}), 1.0), ShapeError);
  try {
    mse_loss(votes(), short_labels, Reduction::kMean);
  } catch (const ShapeError& error) {
    EXPECT_NE(std::string(error.what()).find("labels"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("[1]"), std::string::npos);
  }
}

TEST(Decision, LowestOfEqualVotes) {
  const at::Tensor v = at::tensor({0.2, 0.6, 0.6, 0.0, 0.0, 0.0, 0.1, 0.1, 0.2}, at::kFloat).view({3, 3});
  EXPECT_TRUE(ops::test::same(predict(v), at::tensor({1, 0, 2}, at::kLong)));
  EXPECT_TRUE(ops::test::same(predict(v.t().contiguous().t()), at::tensor({1, 0, 2}, at::kLong)));
  EXPECT_EQ(count_correct(v, at::tensor({1, 0, 2}, at::kLong)), 3);
  EXPECT_EQ(count_correct(v, at::tensor({2, 1, 2}, at::kLong)), 1);
  EXPECT_EQ(predict(v.to(at::kDouble).set_requires_grad(true)).requires_grad(), false);
  // Many classes, all equal: a vectorised argmax could return any.
  EXPECT_TRUE(ops::test::same(predict(at::full({5, 101}, 0.25, at::kFloat)), at::zeros({5}, at::kLong)));
}

}  // namespace
}  // namespace spikeloom::reference
