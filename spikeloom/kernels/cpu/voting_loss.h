#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/voting_params.h"

namespace spikeloom::kernels::cpu {

/// reference::voting_loss with threads: votes, loss, number of correct answers and gradient of the last
/// layer's packed spikes [T, packed_bytes(N * population)]. class_of [population] in [0, K), labels [N] in
/// [0, K): one outside makes the loss NaN. Votes equal the reference to the last bit; losses are computed in
/// double and added in an order that does not depend on the number of threads. T = float or BFloat16. A batch
/// of 0 writes nothing. Never throws.
template <class T>
void voting_loss(const VotingSize& size, const VotingLossParams& params, const std::int32_t* class_of,
                 const std::uint8_t* spikes, const std::int64_t* labels, const VotingLossOutput<T>& output);

/// The same of values [T, N, population]: a readout without spikes, or, with T = 1, of an artificial network;
/// a value for each class is population = K, class_of[k] = k. Votes differ from the reference by rounding.
template <class T>
void readout_loss(const VotingSize& size, const VotingLossParams& params, const std::int32_t* class_of,
                  const float* values, const std::int64_t* labels, const VotingLossOutput<T>& output);

}  // namespace spikeloom::kernels::cpu
