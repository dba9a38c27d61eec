#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/base/span.h"

namespace spikeloom::train {

/// The confusion of votes (Wu et al. 2019, Fig. 7): how the spikes of the voting layer are shared out among
/// the classes, by true class. Sums over samples; those of several processes add up.
class VoteShares {
 public:
  explicit VoteShares(std::size_t classes) : sums_(classes * classes), voted_(classes) {}

  /// Takes one sample in. votes: [classes], 0 or more. A sample without a vote has no shares and is left out.
  void add(std::int64_t label, Span<const float> votes);

  /// [label][class]: mean share of a sample's votes that the class gets, over the samples of that label with
  /// votes. Each row sums to 1; it is 0 throughout where no sample of the label has votes.
  std::vector<std::vector<double>> shares() const;

  /// What is added up over processes: [classes x classes] sums of shares, then [classes] samples with votes.
  std::vector<double> sums() const;
  /// Back from such sums. Returns the position after them.
  const double* assign(const double* sums);

 private:
  std::vector<double> sums_, voted_;
};

}  // namespace spikeloom::train
