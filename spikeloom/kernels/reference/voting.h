#pragma once
// The voting layer (Wu et al. 2019, eq. 11 without the loss): every output neuron belongs to one class.
//   votes[n][k] = sum_t sum_{p: class_of[p] == k} spikes[t, n, p] / (T * population of k)
// A class without neurons gets 0 votes; so does every class when T = 0.
#include <cstdint>

#include "spikeloom/kernels/voting_params.h"

namespace spikeloom::kernels::reference {

/// Number of voting neurons of class k.
inline std::int64_t class_population(const VotingSize& size, const std::int32_t* class_of, std::int64_t k) {
  std::int64_t count = 0;
  for (std::int64_t p = 0; p < size.population; ++p) count += class_of[p] == k ? 1 : 0;
  return count;
}

/// spikes [T, N, P], class_of [P] -> votes [N, K]; sums in double, over t within p. Never throws.
template <class T>
void voting_forward(const VotingSize& size, const std::int32_t* class_of, const T* spikes, T* votes) {
  for (std::int64_t k = 0; k < size.classes; ++k) {
    const std::int64_t terms = size.num_steps * class_population(size, class_of, k);
    for (std::int64_t n = 0; n < size.batch; ++n) {
      double sum = 0.0;
      for (std::int64_t p = 0; p < size.population; ++p) {
        for (std::int64_t t = 0; t < size.num_steps && class_of[p] == k; ++t) {
          sum += static_cast<double>(spikes[(t * size.batch + n) * size.population + p]);
        }
      }
      votes[n * size.classes + k] = terms > 0 ? static_cast<T>(sum / static_cast<double>(terms)) : T(0);
    }
  }
}

/// Gradient of voting_forward: grad_votes [N, K] -> grad_spikes [T, N, P]. Never throws.
template <class T>
void voting_backward(const VotingSize& size, const std::int32_t* class_of, const T* grad_votes,
                     T* grad_spikes) {
  for (std::int64_t p = 0; p < size.population; ++p) {
    const std::int64_t k = class_of[p];
    const auto terms = static_cast<double>(size.num_steps * class_population(size, class_of, k));
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      for (std::int64_t n = 0; n < size.batch; ++n) {
        grad_spikes[(t * size.batch + n) * size.population + p] =
            static_cast<T>(static_cast<double>(grad_votes[n * size.classes + k]) / terms);
      }
    }
  }
}

}  // namespace spikeloom::kernels::reference
