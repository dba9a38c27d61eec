#pragma once
// Batch normalisation of currents between product and neurons. With x[t][r][c], t a step (group), r a row of
// it (pixel or sample), c a channel, R rows over all steps, and statistics over t and r together:
//   mean[c] = sum x / R,   variance[c] = sum (x - mean)^2 / R,   inv_std = 1 / sqrt(variance + epsilon)
//   xhat = (x - mean) * inv_std
//   y[t][r][c] = p[t] * (factor * scale[c] * xhat + shift[c])
// BN:   factor = 1, p = 1.
// tdBN: factor = alpha * v_threshold, p = 1 (Zheng et al., "Going deeper with directly-trained larger spiking
//       neural networks", AAAI 2021: xhat_k = alpha V_th (x_k - E[x_k]) / sqrt(Var[x_k] + eps), y_k =
//       lambda_k xhat_k + beta_k, statistics over the batch, time and both dimensions of space).
// TEBN: factor = 1, p[t] learnable (Duan et al., "Temporal effective batch normalization in spiking neural
//       networks", NeurIPS 2022: y[t] = gamma p[t] xhat[t] + beta p[t], statistics over time as well).
// Backward, with g = dL/dy:
//   S1[t][c] = sum_r g,   S2[t][c] = sum_r g xhat,   A[c] = sum_t p[t] S1[t][c],   B[c] = sum_t p[t] S2[t][c]
//   dL/dshift = A,   dL/dscale = factor * B,   dL/dp[t] = sum_c factor * scale[c] * S2[t][c] + shift[c]
//   S1[t][c] dL/dx = factor * scale * inv_std * (p[t] g - A / R - xhat B / R)
// because y depends on x directly, by xhat's mean and by its variance, whose shares are A and B.
// The work on a batch may be cut into slices (of samples, each with all steps): moments of slices are
// combined, S1 and S2 of slices are added, and R counts the rows of all slices.
#include <cmath>
#include <cstdint>
#include <vector>

#include "spikeloom/kernels/batch_norm_params.h"
#include "spikeloom/kernels/bfloat16.h"

namespace spikeloom::kernels::reference {

inline double batch_norm_value(double value) { return value; }
inline float batch_norm_value(float value) { return value; }
inline float batch_norm_value(BFloat16 value) { return to_float(value); }
template <class T, class S>
void batch_norm_store(S value, T& to) {
  if constexpr (sizeof(T) == sizeof(S)) {
    to = value;
  } else {
    to = from_float<T>(value);
  }
}

/// x -> moments [channels] of the slice, in two passes in double. Never throws.
template <class T>
void batch_norm_moments(const BatchNormSize& size, const T* x, ChannelMoments* moments) {
  const auto rows = static_cast<double>(size.rows());
  for (std::int64_t c = 0; c < size.channels; ++c) {
    double sum = 0.0, squares = 0.0;
    for (std::int64_t r = 0; r < size.rows(); ++r) sum += batch_norm_value(x[r * size.channels + c]);
    const double mean = rows > 0.0 ? sum / rows : 0.0;
    for (std::int64_t r = 0; r < size.rows(); ++r) {
      const double distance = batch_norm_value(x[r * size.channels + c]) - mean;
      squares += distance * distance;
    }
    moments[c] = {rows, mean, squares};
  }
}

/// Moments [slices, channels] -> mean and biased variance of all slices. S = float or double. Never throws.
template <class S>
void batch_norm_combine(std::int64_t slices, std::int64_t channels, const ChannelMoments* moments, S* mean,
                        S* variance) {
  for (std::int64_t c = 0; c < channels; ++c) {
    ChannelMoments all{0.0, 0.0, 0.0};
    for (std::int64_t s = 0; s < slices; ++s) all = ChannelMoments::combined(all, moments[s * channels + c]);
    mean[c] = static_cast<S>(all.mean);
    variance[c] = static_cast<S>(all.variance());
  }
}

/// update_running of every channel; `rows` of all slices.
template <class S>
void batch_norm_update_running(std::int64_t channels, std::int64_t rows, double momentum,
                               const BatchNormStatistics<S>& batch, S* running_mean, S* running_variance) {
  for (std::int64_t c = 0; c < channels; ++c) {
    update_running(momentum, static_cast<double>(rows), batch.mean[c], batch.variance[c], running_mean[c],
                   running_variance[c]);
  }
}

/// p[t], 1 without.
template <class S>
double step_scale_of(const BatchNormAffine<S>& affine, std::int64_t t) {
  return affine.step_scale != nullptr ? static_cast<double>(affine.step_scale[t]) : 1.0;
}

/// x -> y, as (x - mean) * a + b with a = p[t] * factor * scale * inv_std and b = p[t] * shift rounded to S.
/// In place allowed. T = float or BFloat16 with S = float, or double with S = double. Never throws.
template <class T, class S>
void batch_norm_normalise(const BatchNormSize& size, const BatchNormParams& params,
                          const BatchNormStatistics<S>& statistics, const BatchNormAffine<S>& affine,
                          const T* x, T* y) {
  for (std::int64_t r = 0; r < size.rows(); ++r) {
    const double p = step_scale_of(affine, r / size.group_rows);
    for (std::int64_t c = 0; c < size.channels; ++c) {
      const double slope = batch_norm_slope(params, affine.scale[c], statistics.variance[c]);
      const S a = static_cast<S>(slope * p), b = static_cast<S>(static_cast<double>(affine.shift[c]) * p);
      const std::int64_t at = r * size.channels + c;
      batch_norm_store<T, S>((batch_norm_value(x[at]) - statistics.mean[c]) * a + b, y[at]);
    }
  }
}

/// grad_y, x -> sums [groups, 2, channels] in double: S1, S2 of each step. Never throws.
template <class T, class S>
void batch_norm_backward_sums(const BatchNormSize& size, const BatchNormParams& params,
                              const BatchNormStatistics<S>& statistics, const T* grad_y, const T* x,
                              double* sums) {
  for (std::int64_t t = 0; t < size.groups; ++t) {
    for (std::int64_t c = 0; c < size.channels; ++c) {
      double s1 = 0.0, s2 = 0.0;
      for (std::int64_t r = t * size.group_rows; r < (t + 1) * size.group_rows; ++r) {
        const double g = batch_norm_value(grad_y[r * size.channels + c]);
        const double distance =
            batch_norm_value(x[r * size.channels + c]) - static_cast<double>(statistics.mean[c]);
        s1 += g;
        s2 += g * distance;
      }
      sums[(t * 2 + 0) * size.channels + c] = s1;
      sums[(t * 2 + 1) * size.channels + c] =
          s2 / std::sqrt(static_cast<double>(statistics.variance[c]) + params.epsilon);
    }
  }
}

/// sums [groups, 2, channels], of all slices -> gradients of what is learnt, and totals [2, channels]: A and
/// B. Never throws.
template <class S>
void batch_norm_parameter_gradients(const BatchNormSize& size, const BatchNormParams& params,
                                    const BatchNormAffine<S>& affine, const double* sums,
                                    const BatchNormGradients<S>& gradients, double* totals) {
  for (std::int64_t c = 0; c < size.channels; ++c) {
    double a = 0.0, b = 0.0;
    for (std::int64_t t = 0; t < size.groups; ++t) {
      a += step_scale_of(affine, t) * sums[(t * 2 + 0) * size.channels + c];
      b += step_scale_of(affine, t) * sums[(t * 2 + 1) * size.channels + c];
    }
    totals[c] = a;
    totals[size.channels + c] = b;
    gradients.shift[c] = static_cast<S>(a);
    gradients.scale[c] = static_cast<S>(params.factor * b);
  }
  for (std::int64_t t = 0; gradients.step_scale != nullptr && t < size.groups; ++t) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < size.channels; ++c) {
      sum += params.factor * static_cast<double>(affine.scale[c]) * sums[(t * 2 + 1) * size.channels + c];
      sum += static_cast<double>(affine.shift[c]) * sums[(t * 2 + 0) * size.channels + c];
    }
    gradients.step_scale[t] = static_cast<S>(sum);
  }
}

/// grad_y, x, totals -> grad_x, as a g - (b + (x - mean) c) with a = p[t] k, b = k A / R, c = k inv_std B / R
/// rounded to S, k = factor * scale * inv_std. total_rows = R. In place of grad_y allowed. Never throws.
template <class T, class S>
void batch_norm_backward(const BatchNormSize& size, const BatchNormParams& params,
                         const BatchNormStatistics<S>& statistics, const BatchNormAffine<S>& affine,
                         std::int64_t total_rows, const double* totals, const T* grad_y, const T* x,
                         T* grad_x) {
  for (std::int64_t r = 0; r < size.rows(); ++r) {
    const double p = step_scale_of(affine, r / size.group_rows);
    for (std::int64_t c = 0; c < size.channels; ++c) {
      const double k = batch_norm_slope(params, affine.scale[c], statistics.variance[c]);
      const double share = k / static_cast<double>(total_rows);
      const double inv_std = 1.0 / std::sqrt(static_cast<double>(statistics.variance[c]) + params.epsilon);
      const S a = static_cast<S>(k * p), b = static_cast<S>(share * totals[c]),
              of_x = static_cast<S>(share * totals[size.channels + c] * inv_std);
      const std::int64_t at = r * size.channels + c;
      const S distance = batch_norm_value(x[at]) - statistics.mean[c];
      batch_norm_store<T, S>(a * batch_norm_value(grad_y[at]) - (b + distance * of_x), grad_x[at]);
    }
  }
}

}  // namespace spikeloom::kernels::reference
