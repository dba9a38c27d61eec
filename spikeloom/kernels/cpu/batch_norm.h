#pragma once
#include <cstdint>

#include "spikeloom/kernels/batch_norm_params.h"
#include "spikeloom/kernels/bfloat16.h"

namespace spikeloom::kernels::cpu {

// The functions of reference/batch_norm.h, where the equations and shapes are, with threads and SIMD; T =
// float or BFloat16. Sums are in double in an order that depends on the sizes alone; what is computed from
// them for each value equals the reference to the last bit. Each throws ConfigError only as simd_level()
// does.

/// In one pass, of distances from the slice's first row; the variance's relative error is about 1e-16 times
/// the square of that row's distance from the mean in standard deviations.
template <class T>
void batch_norm_moments(const BatchNormSize& size, const T* x, ChannelMoments* moments);

/// Moments [slices, channels] -> mean, variance [channels].
void batch_norm_combine(std::int64_t slices, std::int64_t channels, const ChannelMoments* moments,
                        float* mean, float* variance);

/// `rows` of all slices; momentum is the weight of the new value.
void batch_norm_update_running(std::int64_t channels, std::int64_t rows, double momentum,
                               const BatchNormStatistics<float>& batch, float* running_mean,
                               float* running_variance);

/// In place allowed.
template <class T>
void batch_norm_normalise(const BatchNormSize& size, const BatchNormParams& params,
                          const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                          const T* x, T* y);

/// sums [groups, 2, channels].
template <class T>
void batch_norm_backward_sums(const BatchNormSize& size, const BatchNormParams& params,
                              const BatchNormStatistics<float>& statistics, const T* grad_y, const T* x,
                              double* sums);

/// totals [2, channels].
void batch_norm_parameter_gradients(const BatchNormSize& size, const BatchNormParams& params,
                                    const BatchNormAffine<float>& affine, const double* sums,
                                    const BatchNormGradients<float>& gradients, double* totals);

/// In place of grad_y allowed.
template <class T>
void batch_norm_backward(const BatchNormSize& size, const BatchNormParams& params,
                         const BatchNormStatistics<float>& statistics, const BatchNormAffine<float>& affine,
                         std::int64_t total_rows, const double* totals, const T* grad_y, const T* x,
                         T* grad_x);

}  // namespace spikeloom::kernels::cpu
