#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels {

/// A convolution of stride 1 over packed spikes, or over their averages (images.pool > 1). A fully connected
/// layer on spikes that are not pooled is one of a 1 x 1 kernel over images of 1 x 1 pixel.
struct EventLayer {
  PackedImages images;  ///< what comes in
  std::int64_t kernel = 1;
  std::int64_t padding = 0;  ///< 0 .. kernel - 1
  std::int64_t filters = 0;

  std::int64_t output_height() const { return images.pooled_height() + 2 * padding - kernel + 1; }
  std::int64_t output_width() const { return images.pooled_width() + 2 * padding - kernel + 1; }
  std::int64_t output_pixels() const {
    return images.num_steps * images.batch * output_height() * output_width();
  }
  /// Rows of the weights: (tap, channel) with the channel inner, the tap counted along rows of the kernel.
  std::int64_t weight_rows() const { return kernel * kernel * images.channels; }
};

/// So many weights of kLargestWeight fit into a sum of 16 bits.
constexpr int kSumLength = 32;
constexpr int kLargestWeight = 32767 / kSumLength;

/// Weights as 16-bit integers, each filter with a scale of its own: weight = value * scale[filter]. Sums of
/// kSumLength of them cannot overflow 16 bits, so that no sum is ever saturated. The error of a weight is at
/// most half a scale, largest |weight| of the filter / 2046.
struct FixedPointWeights {
  std::int64_t stride = 0;           ///< values from row to row: filters, rounded up to 32
  std::vector<std::int16_t> values;  ///< [weight_rows, stride], 0 behind the filters
  std::vector<float> scale;          ///< [stride], 0 behind the filters
};

}  // namespace spikeloom::kernels
