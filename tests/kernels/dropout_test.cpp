// Dropout: the rule of dropout_params.h spelled out by hand, rate and independence.
#include "spikeloom/kernels/cpu/dropout.h"

#include <gtest/gtest.h>

#include "spikeloom/base/random.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {
namespace {

template <class T>
class DropoutTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(DropoutTest, Types);

TYPED_TEST(DropoutTest, FollowsTheRule) {
  using T = TypeParam;
  const DropoutKey key{stream_key(5, RandomPurpose::kDropout), 77};
  const double p = 0.3;
  const auto limit = static_cast<std::uint32_t>(std::lround(p * 65536));
  const T scale = static_cast<T>(1.0 / (1.0 - limit / 65536.0));
  for (const bool same : {false, true}) {
    const DropoutSize size{3, 21, same};
    const std::vector<T> ones(63, T(1));
    for (const Backend& backend : all_backends()) {
      std::vector<T> output(63);
      backend.dropout_apply<T>(size, p, key, ones.data(), output.data());
      for (std::uint32_t at = 0; at < 63; ++at) {
        const std::uint32_t e = same ? at % 21 : at;
        const auto words = philox4x32({e / 8, 0, 77, 0}, {static_cast<std::uint32_t>(key.key),
                                                          static_cast<std::uint32_t>(key.key >> 32)});
        const std::uint32_t word = words[e % 8 / 2];
        const std::uint32_t number = e % 2 == 0 ? word & 0xffffu : word >> 16;
        EXPECT_EQ(output[at], number >= limit ? scale : T(0)) << backend.name << " element " << at;
      }
    }
  }
}

TYPED_TEST(DropoutTest, DropsTheRightShareAndKeepsTheMean) {
  using T = TypeParam;
  const DropoutSize size{2, 100000, false};
  const std::vector<T> ones(200000, T(1));
  for (const Backend& backend : all_backends()) {
    std::vector<T> first(ones.size()), second(ones.size());
    backend.dropout_apply<T>(size, 0.25, {1, 1}, ones.data(), first.data());
    backend.dropout_apply<T>(size, 0.25, {1, 2}, ones.data(), second.data());
    double mean = 0.0;
    double both = 0.0;
    for (std::size_t i = 0; i < first.size(); ++i) {
      mean += static_cast<double>(first[i]) / 200000.0;
      both += first[i] == T(0) && second[i] == T(0) ? 1.0 / 200000.0 : 0.0;
    }
    EXPECT_NEAR(mean, 1.0, 0.01);      // 4 standard deviations are 0.005
    EXPECT_NEAR(both, 0.0625, 0.003);  // masks of two counters are independent
  }
}

TEST(DropoutParamsTest, ScaleIsTheInverseOfTheExactRate) {
  EXPECT_EQ(dropout_threshold(0.5), 32768u);
  EXPECT_EQ(dropout_scale(0.5), 2.0);
  EXPECT_EQ(dropout_scale(0.0), 1.0);
  EXPECT_EQ(dropout_scale(1.0), 0.0);
  EXPECT_DOUBLE_EQ(dropout_scale(0.1), 1.0 / (1.0 - 6554.0 / 65536.0));
}

}  // namespace
}  // namespace spikeloom::kernels::test
