#include "spikeloom/train/evaluation/vote_shares.h"

#include <algorithm>

namespace spikeloom::train {

void VoteShares::add(std::int64_t label, Span<const float> votes) {
  double total = 0.0;
  for (const float vote : votes) total += static_cast<double>(vote);
  if (total <= 0.0) return;
  const auto row = static_cast<std::size_t>(label);
  for (std::size_t k = 0; k < votes.size(); ++k) {
    sums_[row * voted_.size() + k] += static_cast<double>(votes[k]) / total;
  }
  voted_[row] += 1.0;
}

std::vector<std::vector<double>> VoteShares::shares() const {
  const std::size_t classes = voted_.size();
  std::vector<std::vector<double>> shares(classes, std::vector<double>(classes));
  for (std::size_t label = 0; label < classes; ++label) {
    if (voted_[label] == 0.0) continue;
    for (std::size_t k = 0; k < classes; ++k) shares[label][k] = sums_[label * classes + k] / voted_[label];
  }
  return shares;
}

std::vector<double> VoteShares::sums() const {
  std::vector<double> all = sums_;
  all.insert(all.end(), voted_.begin(), voted_.end());
  return all;
}

const double* VoteShares::assign(const double* sums) {
  std::copy_n(sums, sums_.size(), sums_.begin());
  std::copy_n(sums + sums_.size(), voted_.size(), voted_.begin());
  return sums + sums_.size() + voted_.size();
}

}  // namespace spikeloom::train
