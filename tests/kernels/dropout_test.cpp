// Dropout: the rule of dropout_params.h spelled out by hand, CPU kernels against the reference, rate and
// independence.
#include "spikeloom/kernels/cpu/dropout.h"

#include <gtest/gtest.h>

#include "spikeloom/base/random.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/reference/dropout.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {
namespace {

const DropoutSize kSizes[] = {{0, 5, false},    {3, 0, false},    {1, 1, false},    {3, 7, false},
                              {3, 7, true},     {2, 2047, true},  {5, 2049, false}, {4, 5000, true},
                              {3, 90001, true}, {3, 90001, false}};

template <class T>
class DropoutTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(DropoutTest, Types);

TYPED_TEST(DropoutTest, EqualsTheReference) {
  using T = TypeParam;
  const ThreadCount threads(3);
  const DropoutKey key{0x123456789abcdef0u, 0xfedcba9876543210u};
  for (const DropoutSize& size : kSizes) {
    for (const double p : {0.0, 0.1, 0.5, 0.999999, 1.0}) {
      const auto values = random_values<T>(size.num_steps * size.elements, 1);
      const auto run = [&](const Backend& backend) {
        Buffer<T> input(values), output(static_cast<std::int64_t>(values.size()));
        backend.dropout_apply<T>(size, p, key, input.data(), output.data());
        EXPECT_TRUE(output.guards_intact());
        backend.dropout_apply<T>(size, p, key, input.data(), input.data());
        EXPECT_EQ(mismatches(input.values(), output.values()), 0) << "in place";
        return output.values();
      };
      const auto want = run(Backend{"reference"});
      for (const Backend& backend : cpu_backends()) {
        EXPECT_EQ(mismatches(run(backend), want), 0)
            << backend.name << " elements " << size.elements << " p " << p;
      }
    }
  }
}

TEST(Dropout, SomeSamplesOfABatchHaveTheMaskThatTheyHaveInIt) {
  const DropoutKey key{7, 9};
  constexpr std::int64_t kSteps = 3, kSample = 256, kBatch = 20;
  const std::vector<float> ones(static_cast<std::size_t>(kSteps * kBatch * kSample), 1.0f);
  for (const bool same : {false, true}) {
    std::vector<float> want(ones.size());
    cpu::dropout_apply({kSteps, kBatch * kSample, same}, 0.4, key, ones.data(), want.data());
    for (const auto& [first, count] : {std::pair{0, 20}, std::pair{3, 1}, std::pair{7, 13}}) {
      const DropoutSize size{kSteps, count * kSample, same, kBatch * kSample, first * kSample};
      const auto run = [&](const Backend& backend) {
        Buffer<float> output(kSteps * size.elements);
        backend.dropout_apply<float>(size, 0.4, key, ones.data(), output.data());
        EXPECT_TRUE(output.guards_intact());
        return output.values();
      };
      for (const Backend& backend : all_backends()) {
        const auto got = run(backend);
        for (std::int64_t t = 0; t < kSteps; ++t) {
          const auto row = want.begin() + t * kBatch * kSample + size.first;
          const auto part = got.begin() + t * size.elements;
          ASSERT_TRUE(std::equal(part, part + size.elements, row)) << backend.name << " step " << t;
        }
      }
    }
  }
}

TEST(DropoutBFloat16, IsTheFloatResultRounded) {
  const ThreadCount threads(3);
  const DropoutKey key{0x123456789abcdef0u, 0xfedcba9876543210u};
  for (const auto& level : cpu::available_simd_levels()) {
    cpu::set_simd_level(level);
    for (const DropoutSize& size : kSizes) {
      auto values = random_values<float>(size.num_steps * size.elements, 1);
      std::vector<BFloat16> input, output(values.size());
      for (float& value : values) {
        input.push_back(from_float<BFloat16>(value));
        value = to_float(input.back());
      }
      std::vector<float> want(values.size());
      reference::dropout_apply(size, 0.3, key, values.data(), want.data());
      cpu::dropout_apply(size, 0.3, key, input.data(), output.data());
      for (std::size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(output[i].bits, from_float<BFloat16>(want[i]).bits) << level << " element " << i;
      }
    }
  }
  cpu::set_simd_level(cpu::available_simd_levels().front());
}

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
