#pragma once
#include <cstddef>
#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/span.h"

namespace spikeloom::runtime {

/// A vote: the mean of a sum over so many values. Throws NumericsError where a float does not hold it, as the
/// outputs of a graph, which are doubles, may be.
inline float mean_vote(double sum, double values) {
  const double mean = sum / values;
  constexpr auto kMost = static_cast<double>(std::numeric_limits<float>::max());
  if (mean >= -kMost && mean <= kMost) return static_cast<float>(mean);
  throw NumericsError(
      "a vote is beyond what a float holds: the network's parameters let it grow without bounds");
}

/// The class that votes are for and the best of the others; -1: none.
struct Ranking {
  int best = -1, runner_up = -1;
};

/// The highest vote, of equal ones the lowest class: what evaluation counts as the answer, whatever the
/// votes.
inline Ranking highest_votes(Span<const float> votes) {
  const auto best_but = [&](int other) {
    int best = -1;
    for (int k = 0; k < static_cast<int>(votes.size()); ++k) {
      const auto vote = [&](int i) { return votes.data()[static_cast<std::size_t>(i)]; };
      if (k != other && (best < 0 || vote(k) > vote(best))) best = k;
    }
    return best;
  };
  const int best = best_but(-1);
  return {best, best_but(best)};
}

/// The same, but none where all votes are 0: then no class has said anything. A runner-up may have a vote of
/// 0.
inline Ranking rank(Span<const float> votes) {
  for (const float vote : votes) {
    if (vote != 0.0f) return highest_votes(votes);
  }
  return {};
}

}  // namespace spikeloom::runtime
