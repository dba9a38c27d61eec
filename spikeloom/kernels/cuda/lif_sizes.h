#pragma once
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/neuron_params.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::cuda {

/// Throws ShapeError unless both sizes speak of the same neurons.
inline void check_lif_sizes(const char* kernel, const LifSize& size, const PackedImages& images) {
  if (size.neurons == images.neurons() && size.num_steps == images.num_steps && images.pool >= 1) return;
  throw ShapeError(std::string(kernel) + ": " + std::to_string(size.num_steps) + " steps of " +
                   std::to_string(size.neurons) + " neurons are not the images' " +
                   std::to_string(images.num_steps) + " of " + std::to_string(images.neurons()) +
                   " with pooling by " + std::to_string(images.pool));
}

}  // namespace spikeloom::kernels::cuda
