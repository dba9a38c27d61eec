#pragma once
// Voting layers with labels, and the losses, for the tests of their kernels.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/kernels/reference/voting_loss.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {

inline std::vector<VotingSize> voting_loss_sizes() {
  return {{1, 1, 1, 1},  {4, 3, 10, 3},  {5, 130, 100, 11}, {8, 33, 77, 10},
          {3, 2, 40, 2}, {1, 7, 10, 10}, {3, 0, 4, 2}};
}

inline std::vector<VotingLossParams> voting_losses() {
  std::vector<VotingLossParams> all;
  for (const auto kind :
       {VotingLossKind::kMeanSquares, VotingLossKind::kSumOfSquares, VotingLossKind::kCrossEntropy}) {
    for (const double smoothing : {0.0, 0.1}) {
      for (const bool each_step : {false, true}) {
        VotingLossParams params;
        params.kind = kind;
        params.vote_scale = 8.0;
        params.label_smoothing = smoothing;
        params.each_step = each_step;
        all.push_back(params);
        params.tet_weight = 0.3;
        params.tet_target = 0.75;
        if (each_step) all.push_back(params);
      }
    }
  }
  return all;
}

struct VotingLossProblem {
  explicit VotingLossProblem(const VotingSize& of) : size(of) {
    // The last class gets no neuron where there is more than one, unless there is a neuron for each.
    const std::int64_t used =
        size.classes > 1 && size.population != size.classes ? size.classes - 1 : size.classes;
    for (std::int64_t p = 0; p < size.population; ++p)
      class_of.push_back(static_cast<std::int32_t>(p * 7 % used));
    for (std::int64_t n = 0; n < size.batch; ++n) labels.push_back(n * 3 % size.classes);
    const std::int64_t neurons = size.batch * size.population, stride = packed_bytes(neurons);
    spikes = random_spikes<float>(size.num_steps * neurons, 1);
    values = random_values<float>(size.num_steps * neurons, 2);
    packed.assign(static_cast<std::size_t>(size.num_steps * stride), 0);
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      for (std::int64_t i = 0; i < neurons; ++i) {
        set_bit(packed.data() + t * stride, i, spikes[static_cast<std::size_t>(t * neurons + i)] != 0.0f);
      }
    }
  }
  VotingSize size;
  std::vector<std::int32_t> class_of;
  std::vector<std::int64_t> labels;
  std::vector<float> spikes, values;
  std::vector<std::uint8_t> packed;
};

template <class T>
struct VotingLossResult {
  explicit VotingLossResult(const VotingSize& size)
      : votes(static_cast<std::size_t>(size.batch * size.classes)),
        gradient(static_cast<std::size_t>(size.num_steps * size.batch * size.population)) {}
  VotingLossOutput<T> output() {
    return {votes.data(), gradient.data(), &loss, &loss_sum, &correct, &not_finite};
  }
  std::vector<float> votes;
  std::vector<T> gradient;
  double loss = 0.0, loss_sum = 100.0;
  unsigned long long correct = 1000;
  std::uint32_t not_finite = 0;
};

/// votes_tolerance: 0 for spikes.
template <class T>
void expect_same_loss(const VotingLossResult<T>& got, const VotingLossResult<T>& want,
                      double votes_tolerance) {
  const auto floats = [](const std::vector<T>& values) {
    std::vector<float> result;
    for (const T value : values) result.push_back(to_float(value));
    return result;
  };
  ASSERT_EQ(mismatches(got.votes, want.votes, votes_tolerance), 0);
  ASSERT_NEAR(got.loss, want.loss, (1e-12 + 10.0 * votes_tolerance) * (1.0 + want.loss));
  ASSERT_NEAR(got.loss_sum, want.loss_sum, (1e-12 + 10.0 * votes_tolerance) * want.loss_sum);
  ASSERT_EQ(got.correct, want.correct);
  ASSERT_EQ(got.not_finite, want.not_finite);
  // A step of T where a value lies between two.
  const auto want_gradient = floats(want.gradient);
  const double unit = (sizeof(T) == 2 ? 1.0 / 128 : 1e-6) + 10.0 * votes_tolerance;
  ASSERT_EQ(mismatches(floats(got.gradient), want_gradient, unit * largest(want_gradient) + 1e-30), 0);
}

inline std::string describe(const VotingSize& size, const VotingLossParams& params) {
  return "T " + std::to_string(size.num_steps) + " N " + std::to_string(size.batch) + " P " +
         std::to_string(size.population) + " kind " + std::to_string(static_cast<int>(params.kind)) +
         " smoothing " + std::to_string(params.label_smoothing) + (params.each_step ? " each step" : "") +
         " weight " + std::to_string(params.tet_weight);
}

}  // namespace spikeloom::kernels::test
