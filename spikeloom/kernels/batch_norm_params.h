#pragma once
// Sizes, parameters and the scalar arithmetic of batch normalisation, shared by all its kernels.
#include <cmath>
#include <cstdint>

#include "spikeloom/base/host_device.h"

namespace spikeloom::kernels {

/// Memory: [groups, group_rows, channels]; a group is a step, its rows are N*H*W pixels (or N samples). A
/// static input, which all steps share, is one group.
struct BatchNormSize {
  std::int64_t groups = 0;
  std::int64_t group_rows = 0;
  std::int64_t channels = 0;

  SPIKELOOM_HOST_DEVICE std::int64_t rows() const { return groups * group_rows; }
};

struct BatchNormParams {
  double epsilon = 1e-5;
  /// Multiplies the normalised value: 1, or alpha * v_threshold for tdBN, which gives currents the spread
  /// that the neurons' threshold asks for.
  double factor = 1.0;
};

/// Of each channel, [channels]; the variance is the biased one, over all rows of all groups.
template <class S>
struct BatchNormStatistics {
  const S* mean = nullptr;
  const S* variance = nullptr;
};

/// What is learnt: scale and shift [channels]; step_scale [groups] for TEBN, else nullptr, which is 1.
template <class S>
struct BatchNormAffine {
  const S* scale = nullptr;
  const S* shift = nullptr;
  const S* step_scale = nullptr;
};

/// Gradients of what is learnt, overwritten; step_scale may be nullptr.
template <class S>
struct BatchNormGradients {
  S* scale = nullptr;
  S* shift = nullptr;
  S* step_scale = nullptr;
};

/// Of a channel over the rows of a slice: their number, their mean and the sum of the squared distances from
/// it.
struct ChannelMoments {
  double rows, mean, squares;

  /// From the sums of d = x - origin and d^2.
  SPIKELOOM_HOST_DEVICE static ChannelMoments from_sums(double row_count, double origin, double sum,
                                                        double square_sum) {
    if (!(row_count > 0.0)) return {0.0, 0.0, 0.0};
    return {row_count, origin + sum / row_count, square_sum - sum * (sum / row_count)};
  }
  /// Of both slices. Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983).
  SPIKELOOM_HOST_DEVICE static ChannelMoments combined(const ChannelMoments& a, const ChannelMoments& b) {
    const double rows = a.rows + b.rows;
    if (!(rows > 0.0)) return a;
    const double distance = b.mean - a.mean, part = b.rows / rows;
    return {rows, a.mean + distance * part, a.squares + b.squares + distance * distance * a.rows * part};
  }
  /// Rounding may leave the squares of equal values below 0; NaN stays NaN.
  SPIKELOOM_HOST_DEVICE double variance() const {
    if (!(rows > 0.0) || squares <= 0.0) return 0.0;
    return squares / rows;
  }
};

/// factor * scale / sqrt(variance + epsilon) of a channel.
SPIKELOOM_HOST_DEVICE inline double batch_norm_slope(const BatchNormParams& params, double scale,
                                                     double variance) {
  return params.factor * scale / sqrt(variance + params.epsilon);
}

/// Inference: slope * (x + bias - mean) + shift is slope * x + this.
inline float batch_norm_folded_bias(double slope, float bias, float mean, float shift) {
  const double offset = bias - mean;
  return static_cast<float>(slope * offset + shift);
}

/// Moments of a batch into running ones, as the usual frameworks do: running = (1 - momentum) * running +
/// momentum * value, where the variance's value is the unbiased one, variance * rows / (rows - 1).
template <class S>
SPIKELOOM_HOST_DEVICE inline void update_running(double momentum, double rows, S mean, S variance,
                                                 S& running_mean, S& running_variance) {
  const double unbiased = static_cast<double>(variance) * (rows > 1.0 ? rows / (rows - 1.0) : 1.0);
  const double kept = 1.0 - momentum;
  running_mean =
      static_cast<S>(kept * static_cast<double>(running_mean) + momentum * static_cast<double>(mean));
  running_variance = static_cast<S>(kept * static_cast<double>(running_variance) + momentum * unbiased);
}

}  // namespace spikeloom::kernels
