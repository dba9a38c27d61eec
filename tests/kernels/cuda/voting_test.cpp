// Votes, loss and number of correct answers on queues: the loss against plain loops in double.
#include "spikeloom/kernels/cuda/voting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "array.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/reference/voting.h"
#include "tests/kernels/backends.h"

namespace spikeloom::kernels::cuda::test {
namespace {

using kernels::test::mismatches;
using kernels::test::random_spikes;

struct Problem {
  explicit Problem(const VotingSize& of) : size(of) {
    // The last class gets no neuron where there is more than one.
    const std::int64_t used = size.classes > 1 ? size.classes - 1 : 1;
    for (std::int64_t p = 0; p < size.population; ++p)
      class_of.push_back(static_cast<std::int32_t>(p * 7 % used));
    for (std::int64_t n = 0; n < size.batch; ++n) labels.push_back(n * 3 % size.classes);
    spikes = random_spikes<double>(size.num_steps * size.batch * size.population, 1);
  }
  std::vector<double> votes_of(const std::vector<double>& fired) const {
    std::vector<double> votes(static_cast<std::size_t>(size.batch * size.classes));
    reference::voting_forward(size, class_of.data(), fired.data(), votes.data());
    return votes;
  }
  double loss_of(const VotingLossParams& params, const std::vector<double>& votes) const {
    double loss = 0.0;
    for (std::int64_t n = 0; n < size.batch; ++n) {
      const double* own = votes.data() + n * size.classes;
      const std::int64_t label = labels[static_cast<std::size_t>(n)];
      double squares = 0.0, sum = 0.0;
      for (std::int64_t k = 0; k < size.classes; ++k) {
        squares += std::pow(own[k] - (k == label ? 1.0 : 0.0), 2);
        sum += std::exp(params.vote_scale * own[k]);
      }
      if (params.kind == VotingLossKind::kCrossEntropy)
        loss += std::log(sum) - params.vote_scale * own[label];
      if (params.kind == VotingLossKind::kSumOfSquares) loss += squares;
      if (params.kind == VotingLossKind::kMeanSquares) loss += squares / static_cast<double>(size.classes);
    }
    return loss / static_cast<double>(size.batch);
  }
  unsigned long long correct(const std::vector<double>& votes) const {
    unsigned long long count = 0;
    for (std::int64_t n = 0; n < size.batch; ++n) {
      const double* own = votes.data() + n * size.classes;
      const std::int64_t best = std::max_element(own, own + size.classes) - own;  // the first of equal ones
      count += best == labels[static_cast<std::size_t>(n)] ? 1 : 0;
    }
    return count;
  }

  VotingSize size;
  std::vector<std::int32_t> class_of;
  std::vector<std::int64_t> labels;
  std::vector<double> spikes;
};

struct Result {
  std::vector<float> votes, gradient;
  double loss = 0.0, loss_sum = 0.0;
  unsigned long long correct = 0;
  std::uint32_t not_finite = 0;
};

template <class T>
Result run(const Queue& queue, const Problem& p, const VotingLossParams& params) {
  const VotingSize& size = p.size;
  Array<float> values(queue, std::vector<float>(p.spikes.begin(), p.spikes.end()));
  Array<std::uint8_t> packed(queue, size.num_steps * packed_bytes(size.batch * size.population));
  pack_spikes(queue, size.num_steps, size.batch * size.population, values.data(), packed.data());
  Array<std::int32_t> class_of(queue, p.class_of);
  Array<std::int64_t> labels(queue, p.labels);
  Array<float> votes(queue, size.batch * size.classes);
  Array<T> gradient(queue, static_cast<std::int64_t>(p.spikes.size()));
  Array<double> loss(queue, 1), loss_sum(queue, std::vector<double>{100.0});
  Array<unsigned long long> correct(queue, std::vector<unsigned long long>{1000});
  Array<std::uint32_t> not_finite(queue, std::vector<std::uint32_t>{0});
  Workspace workspace(queue, voting_loss_workspace(size));
  voting_loss<T>(
      queue, size, params, class_of.data(), packed.data(), labels.data(),
      {votes.data(), gradient.data(), loss.data(), loss_sum.data(), correct.data(), not_finite.data()},
      workspace.data());
  Array<float> only_votes(queue, size.batch * size.classes);
  voting(queue, size, class_of.data(), packed.data(), only_votes.data());
  EXPECT_EQ(mismatches(only_votes.values(), votes.values()), 0);
  return {votes.values(),           floats_of(gradient.values()), loss.value(),
          loss_sum.value() - 100.0, correct.value() - 1000,       not_finite.value()};
}

const VotingSize kSizes[] = {{1, 1, 1, 1}, {4, 3, 10, 3}, {5, 300, 100, 11}, {8, 33, 77, 10}, {3, 2, 40, 2}};
const VotingLossParams kParams[] = {{VotingLossKind::kMeanSquares, 1.0},
                                    {VotingLossKind::kSumOfSquares, 1.0},
                                    {VotingLossKind::kCrossEntropy, 8.0}};

class VotingQueueTest : public QueueTest {};
SPIKELOOM_ON_ALL_QUEUES(VotingQueueTest);

TEST_P(VotingQueueTest, VotesLossAndCountsAreThoseOfPlainLoops) {
  for (const VotingSize& size : kSizes) {
    const Problem p(size);
    std::vector<float> spikes(p.spikes.begin(), p.spikes.end()),
        want_votes(static_cast<std::size_t>(size.batch * size.classes));
    reference::voting_forward(size, p.class_of.data(), spikes.data(), want_votes.data());
    for (const auto& params : kParams) {
      SCOPED_TRACE(testing::Message() << "N " << size.batch << " kind " << static_cast<int>(params.kind));
      const Result got = run<float>(queue, p, params);
      EXPECT_EQ(mismatches(got.votes, want_votes), 0);
      const double want = p.loss_of(params, p.votes_of(p.spikes));
      EXPECT_NEAR(got.loss, want, 1e-6 * (1.0 + want));
      EXPECT_DOUBLE_EQ(got.loss_sum + 100.0, got.loss * static_cast<double>(size.batch) + 100.0);
      EXPECT_EQ(got.correct, p.correct(p.votes_of(p.spikes)));
      EXPECT_EQ(got.not_finite, 0u);
    }
  }
}

TEST_P(VotingQueueTest, OfEqualVotesTheLowestClassCounts) {
  Problem p({2, 2, 4, 3});
  std::fill(p.spikes.begin(), p.spikes.end(), 0.0);
  p.labels = {0, 1};
  EXPECT_EQ(run<float>(queue, p, kParams[0]).correct, 1u);
}

TEST_P(VotingQueueTest, LabelOutsideMakesTheLossNaN) {
  for (const std::int64_t label : {-1, 3}) {
    Problem p({2, 2, 4, 3});
    p.labels = {0, label};
    for (const auto& params : kParams) {
      const Result got = run<float>(queue, p, params);
      EXPECT_TRUE(std::isnan(got.loss));
      EXPECT_EQ(got.not_finite, 1u);
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::cuda::test
