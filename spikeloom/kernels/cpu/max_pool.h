#pragma once
#include <cstdint>

#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/packed_spikes.h"
#include "spikeloom/kernels/pool_params.h"

namespace spikeloom::kernels::cpu {

/// reference::max_pool_spikes with threads, equal to the last bit: spikes [T, packed_bytes(neurons)] ->
/// pooled [T, packed_bytes] of max_pooled(images, factor), a word of 64 neurons at a time. images.pool is
/// ignored. Never throws.
void max_pool_spikes(const PackedImages& images, std::int64_t factor, const std::uint8_t* spikes,
                     std::uint8_t* pooled);

/// reference::max_pool_spikes_backward with threads and SIMD, equal to the last bit; T = float or BFloat16.
/// grad_pooled [T, N, H / factor, W / factor, C], spikes [T, packed_bytes(neurons)] -> grad_spikes [T, N, H,
/// W, C]. Throws ConfigError only as simd_level() does.
template <class T>
void max_pool_spikes_backward(const PackedImages& images, std::int64_t factor, const T* grad_pooled,
                              const std::uint8_t* spikes, T* grad_spikes);

/// reference::max_pool_forward with threads and SIMD, equal to the last bit except for the payload of a NaN;
/// T = float or BFloat16. input [images, H, W, C] -> output [images, H/k, W/k, C]. Throws as above.
template <class T>
void max_pool_forward(const PoolSize& size, const T* input, T* output);

/// reference::max_pool_backward likewise: grad_output [images, H/k, W/k, C], input -> grad_input [images, H,
/// W, C]. The input is kept for it, 4 or 2 bytes a value.
template <class T>
void max_pool_backward(const PoolSize& size, const T* grad_output, const T* input, T* grad_input);

}  // namespace spikeloom::kernels::cpu
