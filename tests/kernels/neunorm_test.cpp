// The coefficient of NeuNorm.
#include <gtest/gtest.h>

#include "spikeloom/kernels/neunorm_params.h"

namespace spikeloom::kernels::test {
namespace {

TEST(NeuNorm, CoefficientFollowsTheScale) {
  EXPECT_DOUBLE_EQ(neunorm_coefficient(NeuNormScale::kMean, 0.9, 4), 0.1 / 4);
  EXPECT_DOUBLE_EQ(neunorm_coefficient(NeuNormScale::kLiteral, 0.9, 4), 0.1 / 16);
}

}  // namespace
}  // namespace spikeloom::kernels::test
