#pragma once
#include <cstdint>

#include "spikeloom/kernels/voting_params.h"

namespace spikeloom::kernels::cpu {

/// reference::voting_forward with threads, equal to the last bit; T = float or double. spikes [T, N, P],
/// class_of [P], each in [0, K) -> votes [N, K]. Never throws.
template <class T>
void voting_forward(const VotingSize& size, const std::int32_t* class_of, const T* spikes, T* votes);

/// reference::voting_backward with threads, equal to the last bit. Never throws.
template <class T>
void voting_backward(const VotingSize& size, const std::int32_t* class_of, const T* grad_votes,
                     T* grad_spikes);

}  // namespace spikeloom::kernels::cpu
