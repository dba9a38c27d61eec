#include "spikeloom/kernels/cpu/voting.h"

#include <vector>

#include "spikeloom/kernels/cpu/parallel_blocks.h"

namespace spikeloom::kernels::cpu {
namespace {

// Steps times neurons of every class: what a vote is divided by.
std::vector<double> vote_terms(const VotingSize& size, const std::int32_t* class_of) {
  std::vector<double> terms(static_cast<std::size_t>(size.classes), 0.0);
  for (std::int64_t p = 0; p < size.population; ++p) {
    terms[static_cast<std::size_t>(class_of[p])] += static_cast<double>(size.num_steps);
  }
  return terms;
}

}  // namespace

template <class T>
void voting_forward(const VotingSize& size, const std::int32_t* class_of, const T* spikes, T* votes) {
  const std::vector<double> terms = vote_terms(size, class_of);
  const std::int64_t work = size.num_steps * size.batch * size.population;
  for_each_block(make_blocks(size.batch, 1), work, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(terms.size());
    for (std::int64_t n = begin; n < end; ++n) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::int64_t p = 0; p < size.population; ++p) {
        double& sum = sums[static_cast<std::size_t>(class_of[p])];
        for (std::int64_t t = 0; t < size.num_steps; ++t) {
          sum += static_cast<double>(spikes[(t * size.batch + n) * size.population + p]);
        }
      }
      for (std::size_t k = 0; k < sums.size(); ++k) {
        votes[n * size.classes + static_cast<std::int64_t>(k)] =
            terms[k] > 0.0 ? static_cast<T>(sums[k] / terms[k]) : T(0);
      }
    }
  });
}

template <class T>
void voting_backward(const VotingSize& size, const std::int32_t* class_of, const T* grad_votes,
                     T* grad_spikes) {
  const std::vector<double> terms = vote_terms(size, class_of);
  const std::int64_t rows = size.num_steps * size.batch;
  const auto run = [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* votes = grad_votes + row % size.batch * size.classes;
      T* out = grad_spikes + row * size.population;
      for (std::int64_t p = 0; p < size.population; ++p) {
        out[p] = static_cast<T>(static_cast<double>(votes[class_of[p]]) /
                                terms[static_cast<std::size_t>(class_of[p])]);
      }
    }
  };
  for_each_block(make_blocks(rows, 1), rows * size.population, run);
}

template void voting_forward(const VotingSize&, const std::int32_t*, const float*, float*);
template void voting_forward(const VotingSize&, const std::int32_t*, const double*, double*);
template void voting_backward(const VotingSize&, const std::int32_t*, const float*, float*);
template void voting_backward(const VotingSize&, const std::int32_t*, const double*, double*);

}  // namespace spikeloom::kernels::cpu
