#pragma once
#include <cstdint>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::cuda {

/// Throws ShapeError unless both sizes speak of the same neurons.
inline void check_lif_sizes(const char* kernel, const LifSize& size, const PackedImages& images) {
  const bool agree = size.neurons == images.neurons() && size.num_steps == images.num_steps;
  if (agree && images.pool >= 1 && size.num_steps >= 0 && size.num_steps < (1 << 30)) return;
  throw ShapeError(std::string(kernel) + ": " + std::to_string(size.num_steps) + " steps of " +
                   std::to_string(size.neurons) + " neurons are not the images' " +
                   std::to_string(images.num_steps) + " of " + std::to_string(images.neurons()) +
                   " with pooling by " + std::to_string(images.pool));
}

/// Whether a window of 2 x 2 pixels spans less than 2^31 neurons, as it does for all but absurd images.
inline bool offsets_fit(const PackedImages& images) {
  return (images.width + 1) * images.channels < (std::int64_t{1} << 30);
}

}  // namespace spikeloom::kernels::cuda
