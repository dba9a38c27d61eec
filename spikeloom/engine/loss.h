#pragma once
#include "spikeloom/engine/buffer.h"
#include "spikeloom/kernels/cuda/voting.h"

namespace spikeloom::engine {

/// The loss of a batch on the votes of the last stage (kernels/cuda/voting.h has the equations).
using LossSpec = kernels::cuda::VotingLossParams;

/// What steps added up since the last look.
struct Sums {
  std::int64_t samples = 0;
  double loss = 0.0;                 ///< sum over the samples
  std::int64_t correct = 0;          ///< samples whose label had the highest vote
  bool finite = true;                ///< no loss was NaN or infinite
  std::vector<std::int64_t> spikes;  ///< of each stage

  double mean_loss() const { return samples > 0 ? loss / static_cast<double>(samples) : 0.0; }
};

}  // namespace spikeloom::engine
