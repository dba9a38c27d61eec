#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace spikeloom::nn {

/// Fills `x` (float or double, contiguous or channels last, CPU) with normal numbers of mean 0 and the given
/// standard deviation, in memory order. Depends on (seed, tensor_number) only, not on the number of threads.
void fill_normal(at::Tensor& x, double standard_deviation, std::uint64_t seed, std::uint64_t tensor_number);

/// The threshold for which a gain of 2 was found.
constexpr double kReferenceThreshold = 0.75;

/// Standard deviation of the initial weights: gain * (v_threshold / 0.75) * sqrt(2 / fan_in).
///
/// Kaiming-normal keeps the variance of ReLU layers; LIF layers with the paper's threshold of 0.75 starve on
/// it (from the third layer on nothing fires and no gradient flows). A gain of 2 gives firing rates of 0.2
/// ... 0.4 in all layers. A LIF layer whose weights and threshold are scaled alike fires alike, hence the
/// second factor.
double initial_standard_deviation(double gain, double v_threshold, std::int64_t fan_in);

}  // namespace spikeloom::nn
