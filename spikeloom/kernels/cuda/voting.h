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

/// The same of values [T, N, population] of neurons that do not fire, summed in double in a fixed order.
void readout(const Queue& queue, const VotingSize& size, const std::int32_t* class_of, const float* values,
             float* votes);

using kernels::VotingLossKind;
using kernels::VotingLossOutput;
using kernels::VotingLossParams;

/// Bytes of workspace that voting_loss and readout_loss need.
std::int64_t voting_loss_workspace(const VotingSize& size, const VotingLossParams& params = {});

/// Votes, loss, number of correct answers and gradient of the last layer's spikes. labels [N] in [0, K): one
/// outside makes the loss NaN. Losses per sample are computed and added up in double, in the order of a fixed
/// tree; the gradient is that of a vote divided by (T * neurons of its class) (reference::voting_backward),
/// or by their number where each step has a loss, rounded to T = float or BFloat16. A batch of 0 writes
/// nothing. Equations: reference/voting_loss.h. Source: Wu et al. 2019, eq. 11.
template <class T>
void voting_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                 const std::int32_t* class_of, const std::uint8_t* spikes, const std::int64_t* labels,
                 const VotingLossOutput<T>& output, void* workspace);

/// The same of values [T, N, population], added up in double in the order of a fixed tree: a readout without
/// spikes, or, with T = 1, of an artificial network; a value for each class is population = K, class_of[k] =
/// k. Votes differ from the reference by rounding.
template <class T>
void readout_loss(const Queue& queue, const VotingSize& size, const VotingLossParams& params,
                  const std::int32_t* class_of, const float* values, const std::int64_t* labels,
                  const VotingLossOutput<T>& output, void* workspace);

}  // namespace spikeloom::kernels::cuda
