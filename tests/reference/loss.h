#pragma once
// The losses of votes under autograd.
#include <ATen/ATen.h>

#include <cstdint>

#include "spikeloom/ops/layout.h"

namespace spikeloom::reference {

enum class Reduction {
  kMean,  ///< mean over batch and classes
  kSum,   ///< sum over classes, mean over the batch
};

/// Throws ShapeError unless votes are [N, K] and labels [N].
inline void check_votes(const at::Tensor& votes, const at::Tensor& labels) {
  ops::check_shape(votes.dim() == 2, "votes", "must be [N, K]", votes);
  ops::check_shape(labels.dim() == 1 && labels.size(0) == votes.size(0), "labels", "must be [N] of the votes",
                   labels);
}

/// The paper's loss: squared distance between the one-hot label Y and the votes,
///
///     L = mean_n [ sum_k (Y[n, k] - votes[n, k])^2 ]   (kSum), divided by the number of classes for kMean.
///     (eq. 11)
///
/// votes [N, K] floating, labels [N] int64. Throws ShapeError. Source: Wu et al. 2019, eq. 11; kMean:
/// authors' code.
inline at::Tensor mse_loss(const at::Tensor& votes, const at::Tensor& labels, Reduction reduction) {
  check_votes(votes, labels);
  const at::Tensor target = at::one_hot(labels, votes.size(1)).to(votes.scalar_type());
  const at::Tensor squares = (votes - target).square();
  return reduction == Reduction::kMean ? squares.mean() : squares.sum() / static_cast<double>(votes.size(0));
}

/// Cross-entropy of softmax(scale * votes), mean over the batch. votes [N, K] floating, labels [N] int64.
/// Throws ShapeError.
inline at::Tensor cross_entropy_loss(const at::Tensor& votes, const at::Tensor& labels, double scale) {
  check_votes(votes, labels);
  return at::cross_entropy_loss(votes * scale, labels);
}

/// The class with the highest vote for each sample, [N] int64; of equal votes the lowest class.
inline at::Tensor predict(const at::Tensor& votes) {
  // Not argmax: LibTorch does not promise which of equal votes it returns, and votes of few steps are often
  // equal.
  const at::Tensor v = votes.detach().to(at::kDouble).contiguous();
  at::Tensor classes = at::empty({v.size(0)}, at::kLong);
  const double* values = v.data_ptr<double>();
  std::int64_t* result = classes.data_ptr<std::int64_t>();
  for (std::int64_t n = 0; n < v.size(0); ++n) {
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < v.size(1); ++k) {
      if (values[n * v.size(1) + k] > values[n * v.size(1) + best]) best = k;
    }
    result[n] = best;
  }
  return classes;
}

/// Number of samples whose label has the highest vote; of equal votes the lowest class counts.
inline std::int64_t count_correct(const at::Tensor& votes, const at::Tensor& labels) {
  return predict(votes).eq(labels).sum().item().toLong();
}

}  // namespace spikeloom::reference
