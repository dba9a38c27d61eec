#include "spikeloom/nn/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/one_hot.h>

#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

void check(const at::Tensor& votes, const at::Tensor& labels) {
  ops::check_shape(votes.dim() == 2, "votes", "must be [N, K]", votes);
  ops::check_shape(labels.dim() == 1 && labels.size(0) == votes.size(0), "labels", "must be [N] of the votes",
                   labels);
}

}  // namespace

at::Tensor mse_loss(const at::Tensor& votes, const at::Tensor& labels, Reduction reduction) {
  check(votes, labels);
  const at::Tensor target = at::one_hot(labels, votes.size(1)).to(votes.scalar_type());
  const at::Tensor squares = (votes - target).square();
  return reduction == Reduction::kMean ? squares.mean() : squares.sum() / static_cast<double>(votes.size(0));
}

at::Tensor cross_entropy_loss(const at::Tensor& votes, const at::Tensor& labels, double scale) {
  check(votes, labels);
  return at::cross_entropy_loss(votes * scale, labels);
}

at::Tensor predict(const at::Tensor& votes) {
  // Not argmax: LibTorch does not promise which of equal votes it returns, and votes of few steps are often
  // equal.
  const at::Tensor v = votes.detach().to(at::kCPU).to(at::kDouble).contiguous();
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

std::int64_t count_correct(const at::Tensor& votes, const at::Tensor& labels) {
  return predict(votes).eq(labels.to(at::kCPU)).sum().item().toLong();
}

}  // namespace spikeloom::nn
