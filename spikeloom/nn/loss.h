#pragma once
#include <ATen/core/Tensor.h>

namespace spikeloom::nn {

enum class Reduction {
  kMean,  ///< mean over batch and classes
  kSum,   ///< sum over classes, mean over the batch
};

/// The paper's loss: squared distance between the one-hot label Y and the votes,
///
///     L = mean_n [ sum_k (Y[n, k] - votes[n, k])^2 ]   (kSum), divided by the number of classes for kMean.
///     (eq. 11)
///
/// votes [N, K] floating, labels [N] int64. Throws ShapeError. Source: Wu et al. 2019, eq. 11; kMean:
/// authors' code.
at::Tensor mse_loss(const at::Tensor& votes, const at::Tensor& labels, Reduction reduction);

/// Cross-entropy of softmax(scale * votes), mean over the batch. Votes lie in [0, 1], so that without a scale
/// the softmax could never become certain.
/// votes [N, K] floating, labels [N] int64. Throws ShapeError.
at::Tensor cross_entropy_loss(const at::Tensor& votes, const at::Tensor& labels, double scale);

/// Number of samples whose label has the highest vote; of equal votes the lowest class counts.
std::int64_t count_correct(const at::Tensor& votes, const at::Tensor& labels);

/// The class with the highest vote for each sample, [N] int64; of equal votes the lowest class.
at::Tensor predict(const at::Tensor& votes);

}  // namespace spikeloom::nn
