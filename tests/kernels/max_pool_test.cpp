// Max pooling of spikes and of values: CPU kernels against the reference; the reference against finite
// differences, and the two kinds of it against each other.
#include "spikeloom/kernels/cpu/max_pool.h"

#include <gtest/gtest.h>

#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/max_pool.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels {
namespace {

// The first that fires, or the first pixel; written out.
TEST(MaxPool, GradientGoesToTheFirstThatFires) {
  const PackedImages images{1, 1, 2, 4, 1, 1};
  const std::uint8_t spikes[8] = {0b01000010};  // (0, 1) and (1, 2) fire
  const float gradient[2] = {3.0f, 5.0f};
  float got[8];
  reference::max_pool_spikes_backward(images, 2, gradient, spikes, got);
  EXPECT_EQ(std::vector<float>(got, got + 8), (std::vector<float>{0, 3, 0, 0, 0, 0, 5, 0}));
  const std::uint8_t silent[8] = {};
  reference::max_pool_spikes_backward(images, 2, gradient, silent, got);
  EXPECT_EQ(std::vector<float>(got, got + 8), (std::vector<float>{3, 0, 5, 0, 0, 0, 0, 0}));
}

TEST(MaxPool, NaNIsTheMaximum) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const PoolSize size{1, 2, 2, 1, 2};
  for (int at = 0; at < 4; ++at) {
    std::vector<float> input{1.0f, 3.0f, 2.0f, 0.0f}, want(4, 0.0f);
    input[static_cast<std::size_t>(at)] = kNaN;
    want[static_cast<std::size_t>(at)] = 7.0f;
    const float gradient = 7.0f;
    float output = 0.0f;
    std::vector<float> got(4);
    cpu::max_pool_forward(size, input.data(), &output);
    EXPECT_TRUE(std::isnan(output));
    cpu::max_pool_backward(size, &gradient, input.data(), got.data());
    EXPECT_EQ(got, want);
    reference::max_pool_backward(size, &gradient, input.data(), got.data());
    EXPECT_EQ(got, want);
  }
}

}  // namespace
}  // namespace spikeloom::kernels
