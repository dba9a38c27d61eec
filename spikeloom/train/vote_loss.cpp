#include "spikeloom/train/vote_loss.h"

#include <algorithm>
#include <cmath>

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
  const auto of_label = static_cast<std::size_t>(label);
  if (settings.kind == LossSettings::kCrossEntropy) {
    double largest = settings.vote_scale * static_cast<double>(votes[0]);
    for (const float vote : votes)
      largest = std::max(largest, settings.vote_scale * static_cast<double>(vote));
    double sum = 0.0;
    for (const float vote : votes) sum += std::exp(settings.vote_scale * static_cast<double>(vote) - largest);
    return largest + std::log(sum) - settings.vote_scale * static_cast<double>(votes[of_label]);
  }
  double sum = 0.0;
  for (std::size_t k = 0; k < votes.size(); ++k) {
    const double distance = (k == of_label ? 1.0 : 0.0) - static_cast<double>(votes[k]);
    sum += distance * distance;
  }
  return settings.reduction == LossSettings::kMean ? sum / static_cast<double>(votes.size()) : sum;
}

std::int64_t best_class(Span<const float> votes) {
  return std::max_element(votes.begin(), votes.end()) - votes.begin();
}

}  // namespace spikeloom::train
