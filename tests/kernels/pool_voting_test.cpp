// Average pooling and voting: CPU kernels against the reference, and every gradient the adjoint of its
// forward pass.
#include <gtest/gtest.h>

#include "tests/kernels/backends.h"

namespace spikeloom::kernels::test {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

const PoolSize kPoolSizes[] = {{0, 4, 4, 3, 2},  {2, 0, 4, 3, 2},  {2, 4, 4, 0, 2},
                               {1, 1, 1, 1, 2},  {1, 1, 1, 5, 1},  {2, 4, 6, 16, 2},
                               {3, 5, 7, 19, 2}, {2, 8, 7, 33, 3}, {9, 16, 17, 67, 2}};

std::int64_t inputs(const PoolSize& size) { return size.images * size.height * size.width * size.channels; }
std::int64_t outputs(const PoolSize& size) {
  return size.images * size.output_height() * size.output_width() * size.channels;
}

struct VotingCase {
  VotingSize size;
  std::vector<std::int32_t> class_of;
};

std::vector<VotingCase> voting_cases() {
  std::vector<VotingCase> cases;
  for (const VotingSize& size : {VotingSize{0, 2, 4, 2}, VotingSize{3, 0, 4, 2}, VotingSize{1, 1, 1, 1},
                                 VotingSize{4, 3, 10, 3}, VotingSize{5, 300, 100, 11}}) {
    VotingCase item{size, {}};
    // The last class gets no neuron where there is more than one.
    const std::int64_t used = size.classes > 1 ? size.classes - 1 : 1;
    for (std::int64_t p = 0; p < size.population; ++p) {
      item.class_of.push_back(static_cast<std::int32_t>(p * 7 % used));
    }
    cases.push_back(item);
  }
  return cases;
}

template <class T>
class PoolVotingTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(PoolVotingTest, Types);

TYPED_TEST(PoolVotingTest, PoolEqualsTheReference) {
  using T = TypeParam;
  const ThreadCount threads(3);
  for (const PoolSize& size : kPoolSizes) {
    const auto values = random_values<T>(inputs(size), 1);
    const auto grads = random_values<T>(outputs(size), 2);
    const auto run = [&](const Backend& backend) {
      Buffer<T> input(values), output(outputs(size)), grad_output(grads), grad_input(inputs(size));
      backend.avg_pool_forward<T>(size, input.data(), output.data());
      backend.avg_pool_backward<T>(size, grad_output.data(), grad_input.data());
      EXPECT_TRUE(output.guards_intact() && grad_input.guards_intact());
      return std::make_pair(output.values(), grad_input.values());
    };
    const auto want = run(Backend{"reference"});
    for (const Backend& backend : cpu_backends()) {
      const auto got = run(backend);
      EXPECT_EQ(mismatches(got.first, want.first), 0) << backend.name << " height " << size.height;
      EXPECT_EQ(mismatches(got.second, want.second), 0) << backend.name << " height " << size.height;
    }
  }
}

TYPED_TEST(PoolVotingTest, VotingEqualsTheReference) {
  using T = TypeParam;
  const ThreadCount threads(3);
  for (const VotingCase& item : voting_cases()) {
    const VotingSize& size = item.size;
    const std::int64_t count = size.num_steps * size.batch * size.population;
    const auto spikes = random_values<T>(count, 1);
    const auto grads = random_values<T>(size.batch * size.classes, 2);
    const auto run = [&](const Backend& backend) {
      Buffer<T> input(spikes), votes(size.batch * size.classes), grad_votes(grads), grad_spikes(count);
      backend.voting_forward<T>(size, item.class_of.data(), input.data(), votes.data());
      backend.voting_backward<T>(size, item.class_of.data(), grad_votes.data(), grad_spikes.data());
      EXPECT_TRUE(votes.guards_intact() && grad_spikes.guards_intact());
      return std::make_pair(votes.values(), grad_spikes.values());
    };
    const auto want = run(Backend{"reference"});
    for (const Backend& backend : cpu_backends()) {
      const auto got = run(backend);
      EXPECT_EQ(mismatches(got.first, want.first), 0) << backend.name << " N " << size.batch;
      EXPECT_EQ(mismatches(got.second, want.second), 0) << backend.name << " N " << size.batch;
    }
  }
}

// Both maps are linear, so <f(a), b> = <a, f'(b)> for all a and b is the gradient check, without a step size.
TEST(AdjointTest, PoolAndVoting) {
  for (const Backend& backend : all_backends()) {
    for (const PoolSize& size : kPoolSizes) {
      const auto a = random_values<double>(inputs(size), 3);
      const auto b = random_values<double>(outputs(size), 4);
      std::vector<double> forward(b.size()), backward(a.size());
      backend.avg_pool_forward<double>(size, a.data(), forward.data());
      backend.avg_pool_backward<double>(size, b.data(), backward.data());
      EXPECT_NEAR(dot(forward, b), dot(a, backward), 1e-12 * (1.0 + static_cast<double>(b.size())));
    }
    for (const VotingCase& item : voting_cases()) {
      const auto a = random_values<double>(item.size.num_steps * item.size.batch * item.size.population, 5);
      const auto b = random_values<double>(item.size.batch * item.size.classes, 6);
      std::vector<double> forward(b.size()), backward(a.size());
      backend.voting_forward<double>(item.size, item.class_of.data(), a.data(), forward.data());
      backend.voting_backward<double>(item.size, item.class_of.data(), b.data(), backward.data());
      EXPECT_NEAR(dot(forward, b), dot(a, backward), 1e-12 * (1.0 + static_cast<double>(b.size())));
    }
  }
}

}  // namespace
}  // namespace spikeloom::kernels::test
