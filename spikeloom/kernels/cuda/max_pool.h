#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/pool_params.h"

namespace spikeloom::kernels::cuda {

/// reference::max_pool_spikes on a queue: spikes [T, packed_bytes(neurons)] -> pooled [T, packed_bytes] of
/// max_pooled(images, factor). images.pool is ignored. Throws ShapeError for a factor below 1.
void max_pool_spikes(const Queue& queue, const PackedImages& images, std::int64_t factor,
                     const std::uint8_t* spikes, std::uint8_t* pooled);

/// reference::max_pool_spikes_backward on a queue: grad_pooled [T, N, H / factor, W / factor, C], spikes [T,
/// packed_bytes(neurons)] -> grad_spikes [T, N, H, W, C]; T = float or BFloat16. Throws as above.
template <class T>
void max_pool_spikes_backward(const Queue& queue, const PackedImages& images, std::int64_t factor,
                              const T* grad_pooled, const std::uint8_t* spikes, T* grad_spikes);

/// reference::max_pool_forward on a queue: input [images, H, W, C] -> output [images, H/k, W/k, C]; T = float
/// or BFloat16. Throws as above.
template <class T>
void max_pool_forward(const Queue& queue, const PoolSize& size, const T* input, T* output);

/// reference::max_pool_backward on a queue: grad_output [images, H/k, W/k, C], input -> grad_input [images,
/// H, W, C]. Throws as above.
template <class T>
void max_pool_backward(const Queue& queue, const PoolSize& size, const T* grad_output, const T* input,
                       T* grad_input);

}  // namespace spikeloom::kernels::cuda
