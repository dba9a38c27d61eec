#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/kernels/aligned_vector.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels {

/// The largest pooling that the event-driven kernels read spikes through: a row counts 2^14 times at most.
constexpr std::int64_t kLargestPool = 128;

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

/// Where weight (filter, tap, channel) lies in memory: values from one filter, tap, channel to the next.
struct WeightStrides {
  std::int64_t filter, tap, channel;
};

/// Of weights [weight_rows, filters].
inline WeightStrides row_strides(const EventLayer& layer) {
  return {1, layer.images.channels * layer.filters, layer.filters};
}

/// So many weights of kLargestWeight fit into a sum of 16 bits.
constexpr int kSumLength = 32;
constexpr int kLargestWeight = 32767 / kSumLength;

/// Weights as 16-bit integers, each filter with a scale of its own: weight = value * scale[filter]. Sums of
/// kSumLength of them cannot overflow 16 bits, so that no sum is ever saturated. That leaves -1023 ... 1023,
/// 11 of the 16 bits: the error of a weight is at most half a scale, largest |weight| of the filter / 2046.
/// Of normal weights it is 0.1 % as a standard deviation, and so is that of currents
/// (tests/kernels/event_layer_test.cpp).
struct FixedPointWeights {
  /// Filters that lie together: a block of them for some hundred rows fits into the first-level cache.
  static constexpr std::int64_t kBlock = 64;

  std::int64_t rows = 0;               ///< weight_rows
  std::int64_t stride = 0;             ///< filters, rounded up to 32
  AlignedVector<std::int16_t> values;  ///< [block of filters][row][lane of the block], 0 behind the filters
  std::vector<float> scale;            ///< [stride], 0 behind the filters

  /// Filters of the block that begins with this one.
  std::int64_t width(std::int64_t first) const { return stride - first < kBlock ? stride - first : kBlock; }
  /// Place of a weight in `values`.
  std::int64_t at(std::int64_t row, std::int64_t filter) const {
    const std::int64_t first = filter / kBlock * kBlock;
    return first * rows + row * width(first) + lane(filter - first);
  }
  /// Of 32 filters the first half lies in even lanes, the second in odd ones: products of 16-bit pairs, which
  /// widen the sums of lanes, then give neighbouring filters.
  static std::int64_t lane(std::int64_t filter) {
    return filter / 32 * 32 + filter % 16 * 2 + filter / 16 % 2;
  }
};

}  // namespace spikeloom::kernels
