#pragma once
// The loss of one sample's votes as queues and evaluation compute it.
#include <cmath>
#include <cstdint>

#include "spikeloom/base/host_device.h"
#include "spikeloom/kernels/voting_params.h"

namespace spikeloom::kernels {

/// Loss of a sample and the gradient of its votes; equations in reference/voting_loss.h.
class VoteLoss {
 public:
  VoteLoss(const VotingSize& size, const VotingLossParams& params)
      : params_(params),
        classes_(size.classes),
        groups_(vote_groups(size, params)),
        scale_((params.counted ? 1.0 : 0.0) /
               static_cast<double>(params.mean_over(size.batch) *
                                   (params.kind == VotingLossKind::kMeanSquares ? size.classes : 1))) {}

  /// Groups of steps whose votes have a loss: each step, or all together.
  static std::int64_t vote_groups(const VotingSize& size, const VotingLossParams& params) {
    return params.each_step ? size.num_steps : 1;
  }

  /// What multiplies the sum of the samples' losses.
  SPIKELOOM_HOST_DEVICE double scale() const { return scale_; }

  /// votes and gradient: of the sample in the first group, `stride` values from group to group. The gradient
  /// is that of the loss of the batch, the loss the sample's, which scale() multiplies.
  SPIKELOOM_HOST_DEVICE double of_sample(const float* votes, std::int64_t label, std::int64_t stride,
                                         double* gradient) const {
    double loss = 0.0;
    for (std::int64_t g = 0; g < groups_; ++g) {
      const float* own = votes + g * stride;
      double* to = gradient + g * stride;
      const double base = params_.kind == VotingLossKind::kCrossEntropy ? cross_entropy(own, label, to)
                                                                        : squares(own, label, to);
      loss += params_.each_step ? with_target(own, base, to) : base;
    }
    if (label < 0 || label >= classes_) return static_cast<double>(NAN);
    return loss;
  }

 private:
  SPIKELOOM_HOST_DEVICE double target(std::int64_t k, std::int64_t label) const {
    const double spread = params_.label_smoothing / static_cast<double>(classes_);
    return (1.0 - params_.label_smoothing) * (k == label ? 1.0 : 0.0) + spread;
  }
  SPIKELOOM_HOST_DEVICE double squares(const float* votes, std::int64_t label, double* gradient) const {
    double loss = 0.0;
    for (std::int64_t k = 0; k < classes_; ++k) {
      const double difference = static_cast<double>(votes[k]) - target(k, label);
      loss += difference * difference;
      gradient[k] = scale_ * 2.0 * difference;
    }
    return loss;
  }
  SPIKELOOM_HOST_DEVICE double cross_entropy(const float* votes, std::int64_t label, double* gradient) const {
    float largest = votes[0];
    for (std::int64_t k = 1; k < classes_; ++k) {
      if (votes[k] > largest) largest = votes[k];
    }
    double sum = 0.0, of_target = 0.0;
    for (std::int64_t k = 0; k < classes_; ++k) {
      const double logit =
          params_.vote_scale * (static_cast<double>(votes[k]) - static_cast<double>(largest));
      of_target += target(k, label) * logit;
      gradient[k] = exp(logit);
      sum += gradient[k];
    }
    for (std::int64_t k = 0; k < classes_; ++k) {
      gradient[k] = scale_ * params_.vote_scale * (gradient[k] / sum - target(k, label));
    }
    return log(sum) - of_target;
  }
  /// Of a group: (1 - w) times its loss and gradient, and the distance from the target of TET.
  SPIKELOOM_HOST_DEVICE double with_target(const float* votes, double base, double* gradient) const {
    const double share = 1.0 / static_cast<double>(groups_), kept = (1.0 - params_.tet_weight) * share;
    const bool over_classes = params_.kind == VotingLossKind::kMeanSquares;  // scale_ has their number then
    const double unit =
        params_.tet_weight * share * (over_classes ? 1.0 : 1.0 / static_cast<double>(classes_));
    double distances = 0.0;
    for (std::int64_t k = 0; k < classes_; ++k) {
      const double distance = static_cast<double>(votes[k]) - params_.tet_target;
      distances += distance * distance;
      gradient[k] = kept * gradient[k] + scale_ * unit * 2.0 * distance;
    }
    return kept * base + unit * distances;
  }

  VotingLossParams params_;
  std::int64_t classes_, groups_;
  double scale_;
};

}  // namespace spikeloom::kernels
