#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/voting_params.h"

namespace spikeloom::kernels::cuda {

/// Votes of the last layer's packed spikes: spikes [T, packed_bytes(N * population)], class_of [population]
/// in [0, K) -> votes [N, K] float. Equal to reference::voting_forward to the last bit.
void voting(const Queue& queue, const VotingSize& size, const std::int32_t* class_of,
            const std::uint8_t* spikes, float* votes);

/// The same of values [T, N, population] of neurons that do not fire (an artificial network's last layer):
/// votes are their mean over steps and neurons of a class, summed in double in a fixed order.
void voting(const Queue& queue, const VotingSize& size, const std::int32_t* class_of, const float* values,
            float* votes);

enum class VotingLossKind {
  kMeanSquares,   ///< sum_k (Y - votes)^2 / K, mean over the batch: nn::mse_loss with Reduction::kMean
  kSumOfSquares,  ///< sum_k (Y - votes)^2, mean over the batch: Reduction::kSum
  kCrossEntropy,  ///< of softmax(vote_scale * votes), mean over the batch: nn::cross_entropy_loss
};

struct VotingLossParams {
  VotingLossKind kind = VotingLossKind::kMeanSquares;
  double vote_scale = 1.0;  ///< kCrossEntropy only
};

/// What voting_loss writes; nullptr = not wanted, except for votes.
template <class T>
struct VotingLossOutput {
  float* votes = nullptr;      ///< [N, K]
  T* grad_spikes = nullptr;    ///< [T, N, population], of the loss of this batch; T = float or BFloat16
  double* loss = nullptr;      ///< the loss of this batch
  double* loss_sum = nullptr;  ///< added to: batch * loss
  unsigned long long* correct =
      nullptr;  ///< added to: samples whose label has the highest vote; of equal ones the lowest class counts
  std::uint32_t* not_finite = nullptr;  ///< set to 1 when the loss is NaN or infinite, else left alone
};

/// Bytes of workspace that voting_loss needs.
std::int64_t voting_loss_workspace(const VotingSize& size);

/// Votes, loss, number of correct answers and gradient of the last layer's spikes. labels [N] in [0, K): one
/// outside makes the loss NaN. Losses per sample are computed and added up in double, in the order of a fixed
/// tree; the gradient is that of a vote divided by (T * neurons of its class) (reference::voting_backward),
/// rounded to T. A batch of 0 writes nothing.
/// Source: Wu et al. 2019, eq. 11; nn/loss.h.
template <class T>
void voting_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                 const std::int32_t* class_of, const std::uint8_t* spikes, const std::int64_t* labels,
                 const VotingLossOutput<T>& output, void* workspace);

/// The same of values [T, N, population]; grad_spikes is then the gradient of the values.
void voting_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                 const std::int32_t* class_of, const float* values, const std::int64_t* labels,
                 const VotingLossOutput<float>& output, void* workspace);

}  // namespace spikeloom::kernels::cuda
