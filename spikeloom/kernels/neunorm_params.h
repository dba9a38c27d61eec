#pragma once
// Sizes and parameters of NeuNorm, eq. 9 and 10 of Wu et al. 2019, shared by all its kernels.
#include <cstdint>

namespace spikeloom::kernels {

/// The coefficient of the sum over feature maps in eq. 9. The paper's v is (1 - k_tau2) / F.
enum class NeuNormScale {
  kMean,     ///< (1 - k_tau2) / F: x is the decaying mean of the spikes, in [0, 1] (what the prose says)
  kLiteral,  ///< (1 - k_tau2) / F^2: eq. 9 read literally, x <= 1 / F
};

/// Memory: spikes [T, N, P, C], x [T, N, P], u [P, C], or [P] when it is shared; P = height * width
/// positions.
struct NeuNormSize {
  std::int64_t num_steps = 0;
  std::int64_t batch = 0;
  std::int64_t positions = 0;
  std::int64_t channels = 0;
  bool shared_u = true;
};

struct NeuNormParams {
  double decay = 0.8;        ///< k_tau2, in [0, 1)
  double coefficient = 0.0;  ///< multiplies the sum over feature maps: see neunorm_coefficient
};

/// (1 - decay) / channels, or (1 - decay) / channels^2 for kLiteral.
inline double neunorm_coefficient(NeuNormScale scale, double decay, std::int64_t channels) {
  const auto maps = static_cast<double>(channels);
  return (1.0 - decay) / (scale == NeuNormScale::kMean ? maps : maps * maps);
}

}  // namespace spikeloom::kernels
