#include "spikeloom/kernels/cpu/surrogate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "spikeloom/kernels/reference/surrogate.h"

namespace spikeloom::kernels {
namespace {

class SurrogateTest : public testing::TestWithParam<Surrogate> {};

TEST_P(SurrogateTest, IsTheDerivativeOfItsPrimitive) {
  constexpr double kStep = 1e-6;
  for (const double width : {0.1, 1.0, 3.0}) {
    for (double x = -2.03; x < 2.0; x += 0.0371) {
      const double slope = (reference::surrogate_primitive(GetParam(), x + kStep, width) -
                            reference::surrogate_primitive(GetParam(), x - kStep, width)) /
                           (2 * kStep);
      EXPECT_NEAR(reference::surrogate_derivative(GetParam(), x, width), slope, 1e-7 / (width * width))
          << "x " << x << " width " << width;
    }
  }
}

TEST_P(SurrogateTest, HasAreaOneAndPeakOneOverWidth) {
  for (const double width : {0.1, 1.0, 3.0}) {
    EXPECT_DOUBLE_EQ(reference::surrogate_derivative(GetParam(), 0.0, width), 1.0 / width);
    for (const double x : {1e-3, 0.04, 0.3, 1.4}) {
      const double right = reference::surrogate_derivative(GetParam(), x, width);
      EXPECT_LE(right, 1.0 / width);
      EXPECT_EQ(right, reference::surrogate_derivative(GetParam(), -x, width));
    }
    // The tail of the arc tangent falls off as 1/x only.
    EXPECT_NEAR(reference::surrogate_primitive(GetParam(), -1e9, width), 0.0, 1e-9);
    EXPECT_NEAR(reference::surrogate_primitive(GetParam(), 1e9, width), 1.0, 1e-9);
    EXPECT_NEAR(reference::surrogate_primitive(GetParam(), 0.0, width), 0.5, 1e-15);
    double area = 0.0;
    const double step = width * 1e-3;
    for (int i = -100000; i < 100000; ++i) {
      area += step * reference::surrogate_derivative(GetParam(), (i + 0.5) * step, width);
    }
    EXPECT_NEAR(area, 1.0, GetParam() == Surrogate::kArctan ? 3e-3 : 1e-6);
  }
}

TEST_P(SurrogateTest, FarFromTheThresholdStaysFinite) {
  for (const float x : {-1e30f, -300.0f, 300.0f, 1e30f}) {
    const float height = reference::surrogate_derivative(GetParam(), x, 0.5f);
    EXPECT_GE(height, 0.0f);
    EXPECT_LT(height, 1e-4f);
    EXPECT_EQ(height, cpu::surrogate_derivative(GetParam(), x, 0.5f));
  }
}

TEST(SurrogateTest, RectangularWindowIsOpen) {
  EXPECT_EQ(reference::surrogate_derivative(Surrogate::kRectangular, 0.25, 0.5), 0.0);
  EXPECT_EQ(reference::surrogate_derivative(Surrogate::kRectangular, -0.25, 0.5), 0.0);
  EXPECT_EQ(reference::surrogate_derivative(Surrogate::kRectangular, 0.2499, 0.5), 2.0);
}

INSTANTIATE_TEST_SUITE_P(All, SurrogateTest,
                         testing::Values(Surrogate::kRectangular, Surrogate::kTriangular, Surrogate::kSigmoid,
                                         Surrogate::kArctan));

}  // namespace
}  // namespace spikeloom::kernels
