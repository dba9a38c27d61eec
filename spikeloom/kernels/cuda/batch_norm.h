#pragma once
#include <cstdint>

#include "spikeloom/kernels/batch_norm_params.h"
#include "spikeloom/kernels/bfloat16.h"
#include "spikeloom/kernels/cuda/queue.h"

namespace spikeloom::kernels::cuda {

// The functions of reference/batch_norm.h, where the equations and shapes are, on queues; T = float or
// BFloat16. Sums are in double in the order of a fixed tree; what is computed from them for each value equals
// the reference to the last bit. All pointers, also those in structs, are the queue's. A workspace of
// batch_norm_workspace(size) bytes serves any of them.

std::int64_t batch_norm_workspace(const BatchNormSize& size);

/// In one pass, of distances from the slice's first row, as cpu::batch_norm_moments.
template <class T>
void batch_norm_moments(const Queue& queue, const BatchNormSize& size, const T* x, ChannelMoments* moments,
                        void* workspace);

/// Moments [slices, channels] -> mean, variance [channels].
void batch_norm_combine(const Queue& queue, std::int64_t slices, std::int64_t channels,
                        const ChannelMoments* moments, float* mean, float* variance);

/// `rows` of all slices; momentum is the weight of the new value.
void batch_norm_update_running(const Queue& queue, std::int64_t channels, std::int64_t rows, double momentum,
                               const BatchNormStatistics<float>& batch, float* running_mean,
                               float* running_variance);

/// In place allowed.
template <class T>
void batch_norm_normalise(const Queue& queue, const BatchNormSize& size, const BatchNormParams& params,
                          const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                          const T* x, T* y, void* workspace);

/// sums [groups, 2, channels].
template <class T>
void batch_norm_backward_sums(const Queue& queue, const BatchNormSize& size, const BatchNormParams& params,
                              const BatchNormStatistics<float>& statistics, const T* grad_y, const T* x,
                              double* sums, void* workspace);

/// totals [2, channels].
void batch_norm_parameter_gradients(const Queue& queue, const BatchNormSize& size,
                                    const BatchNormParams& params, const BatchNormAffine<float>& affine,
                                    const double* sums, const BatchNormGradients<float>& gradients,
                                    double* totals);

/// In place of grad_y allowed.
template <class T>
void batch_norm_backward(const Queue& queue, const BatchNormSize& size, const BatchNormParams& params,
                         const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                         std::int64_t total_rows, const double* totals, const T* grad_y, const T* x,
                         T* grad_x, void* workspace);

}  // namespace spikeloom::kernels::cuda
