#include "spikeloom/train/network/vote_loss.h"

#include <algorithm>
#include <vector>

#include "spikeloom/kernels/vote_loss.h"

namespace spikeloom::train {

using kernels::cuda::VotingLossKind;

engine::LossSpec loss_spec(const LossSettings& settings) {
  engine::LossSpec spec;
  if (settings.kind == LossSettings::kCrossEntropy) {
    spec.kind = VotingLossKind::kCrossEntropy;
    spec.vote_scale = settings.vote_scale;
  } else {
    spec.kind = settings.reduction == LossSettings::kMean ? VotingLossKind::kMeanSquares
                                                          : VotingLossKind::kSumOfSquares;
  }
  spec.label_smoothing = settings.label_smoothing;
  spec.each_step = settings.each_step;
  spec.tet_weight = settings.tet_weight;
  spec.tet_target = settings.tet_target;
  return spec;
}

double vote_loss(Span<const float> votes, std::int64_t label, const LossSettings& settings) {
  kernels::VotingLossParams params = loss_spec(settings);
  params.label_smoothing = 0.0;
  params.each_step = false;
  const auto classes = static_cast<std::int64_t>(votes.size());
  const kernels::VoteLoss loss({1, 1, classes, classes}, params);
  std::vector<double> gradient(votes.size());  // nobody asks for it
  return loss.scale() * loss.of_sample(votes.data(), label, classes, gradient.data());
}

std::int64_t best_class(Span<const float> votes) {
  return std::max_element(votes.begin(), votes.end()) - votes.begin();
}

}  // namespace spikeloom::train
