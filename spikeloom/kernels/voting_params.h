#pragma once
// Sizes, parameters and results of the voting layer and its losses, shared by all their kernels.
#include <cstdint>

namespace spikeloom::kernels {

/// Memory: spikes [T, N, P] -> votes [N, K]; class_of [P] holds the class in [0, K) of each voting neuron.
struct VotingSize {
  std::int64_t num_steps = 0;
  std::int64_t batch = 0;
  std::int64_t population = 0;
  std::int64_t classes = 0;
};

enum class VotingLossKind {
  kMeanSquares,   ///< sum_k (q - votes)^2 / K, mean over the batch
  kSumOfSquares,  ///< sum_k (q - votes)^2, mean over the batch: the paper's, eq. 11
  kCrossEntropy,  ///< of softmax(vote_scale * votes) and q, mean over the batch
};

/// The equations: reference/voting_loss.h.
struct VotingLossParams {
  VotingLossKind kind = VotingLossKind::kMeanSquares;
  double vote_scale = 1.0;       ///< kCrossEntropy only
  double label_smoothing = 0.0;  ///< in [0, 1): this share of the target is spread over all classes
  bool each_step = false;  ///< the loss of each step's votes, averaged, instead of that of their mean (TET)
  /// TET, with each_step: in [0, 1], weight of the squared distance of each step's votes from tet_target.
  double tet_weight = 0.0;
  double tet_target = 1.0;
  /// Samples that the loss is the mean over, where these are some of them; 0: these are all.
  std::int64_t whole_batch = 0;
  bool counted = true;  ///< false: loss and gradient are 0, whatever the samples

  std::int64_t mean_over(std::int64_t batch) const { return whole_batch != 0 ? whole_batch : batch; }
};

/// What a loss writes; nullptr = not wanted, except for votes. T is the gradient's type, V the votes'.
template <class T, class V = float>
struct VotingLossOutput {
  V* votes = nullptr;          ///< [N, K], over all steps
  T* grad_spikes = nullptr;    ///< [T, N, population], of the loss
  double* loss = nullptr;      ///< the loss, or these samples' part of it
  double* loss_sum = nullptr;  ///< added to: samples that the loss is the mean over * loss
  unsigned long long* correct =
      nullptr;  ///< added to: samples whose label has the highest vote; of equal ones the lowest class counts
  std::uint32_t* not_finite = nullptr;  ///< set to 1 when the loss is NaN or infinite, else left alone
};

}  // namespace spikeloom::kernels
