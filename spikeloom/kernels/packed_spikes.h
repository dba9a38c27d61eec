#pragma once
// Spikes as bits: neuron i of a step is bit i % 8 of byte i / 8, i over [N, H, W, C] with the channels
// contiguous; every step starts at a multiple of 8 bytes and the bits behind its last neuron are 0.
#include <cstdint>

#include "spikeloom/base/host_device.h"

namespace spikeloom::kernels {

/// Bytes of one step of `neurons` neurons.
SPIKELOOM_HOST_DEVICE inline std::int64_t packed_bytes(std::int64_t neurons) {
  return (neurons + 63) / 64 * 8;
}

SPIKELOOM_HOST_DEVICE inline bool get_bit(const std::uint8_t* bits, std::int64_t i) {
  return (bits[i / 8] >> (i % 8) & 1) != 0;
}

inline void set_bit(std::uint8_t* bits, std::int64_t i, bool value) {
  const auto mask = static_cast<std::uint8_t>(1u << (i % 8));
  bits[i / 8] = static_cast<std::uint8_t>(value ? bits[i / 8] | mask : bits[i / 8] & ~mask);
}

/// A layer's spikes over all steps as images, and the average pooling that they are read through.
struct PackedImages {
  std::int64_t num_steps = 0;
  std::int64_t batch = 0;
  std::int64_t height = 0, width = 0, channels = 0;  ///< of the spikes, before pooling
  std::int64_t pool = 1;  ///< factor k: k x k spikes are averaged, a rest at the right and bottom is dropped

  std::int64_t neurons() const { return batch * height * width * channels; }
  std::int64_t pooled_height() const { return height / pool; }
  std::int64_t pooled_width() const { return width / pool; }
  std::int64_t pooled_neurons() const { return batch * pooled_height() * pooled_width() * channels; }
};

/// The images behind a max pooling of spikes by `factor`; a rest at the right and bottom is dropped.
inline PackedImages max_pooled(const PackedImages& images, std::int64_t factor) {
  return {images.num_steps, images.batch, images.height / factor, images.width / factor, images.channels, 1};
}

}  // namespace spikeloom::kernels
