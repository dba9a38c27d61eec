#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

/// values [num_steps, neurons], 0 or not -> spikes [num_steps, packed_bytes(neurons)] (packed_spikes.h); T =
/// float, BFloat16 or std::uint8_t. The way back is layer_input without NeuNorm and dropout.
template <class T>
void pack_spikes(const Queue& queue, std::int64_t num_steps, std::int64_t neurons, const T* values,
                 std::uint8_t* spikes);

}  // namespace spikeloom::kernels::cuda
