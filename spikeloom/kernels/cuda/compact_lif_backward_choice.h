#pragma once
// compact_lif_backward: which functor runs. Included by one file for each pair of types.
#include <string>
#include <type_traits>

#include "spikeloom/base/errors.h"
#include "spikeloom/kernels/cuda/compact_lif_backward.h"
#include "spikeloom/kernels/cuda/compact_lif_backward_general.h"

namespace spikeloom::kernels::cuda {

template <class G, class T>
void compact_lif_backward(const Queue& queue, const LifSize& size, const NeuronParams& params,
                          const PackedImages& images, const G* grad_pooled, const NeuNormGradient& neunorm,
                          const std::uint8_t* spikes, const std::uint8_t* state, T* grad_current,
                          double* parameter_gradients, void* workspace) {
  check_lif_sizes("compact_lif_backward", size, images);
  if (parameter_gradients != nullptr && compact_state(params) != CompactState::kTailCode) {
    throw ShapeError(
        "compact_lif_backward: the gradients of decay and v_threshold need the codes of all neurons; set "
        "NeuronParams::learnable for the forward pass");
  }
  const std::int64_t positions =
      neunorm.after_pooling ? images.pooled_height() * images.pooled_width() : images.height * images.width;
  const BackwardArguments<G, T> arguments{BackwardStep(params),
                                          static_cast<int>(size.num_steps),
                                          size.neurons,
                                          images.channels,
                                          images.height,
                                          images.width,
                                          images.pool,
                                          images.pooled_height(),
                                          images.pooled_width(),
                                          packed_bytes(size.neurons),
                                          state_bytes(params, size.neurons),
                                          images.pooled_neurons(),
                                          images.batch * positions,
                                          size.static_input,
                                          neunorm.after_pooling,
                                          static_cast<int>(images.width * images.channels),
                                          1.0f / static_cast<float>(images.pool * images.pool),
                                          static_cast<float>(neunorm.coefficient),
                                          grad_pooled,
                                          neunorm.dx,
                                          spikes,
                                          state,
                                          grad_current,
                                          Divisor(images.channels),
                                          Divisor(images.channels / 8),
                                          Divisor(images.width),
                                          Divisor(images.height),
                                          Divisor(images.pool)};
  if (!is_plain(params) || params.learnable || closes_with_tail_code(params) ||
      parameter_gradients != nullptr) {
    return run_general(queue, params, arguments, parameter_gradients, workspace);
  }
  const bool in_vectors = images.channels % 8 == 0 && is_aligned(grad_pooled) && is_aligned(state) &&
                          is_aligned(grad_current) && offsets_fit(images);
  const auto run = [&](auto slope) {
    run_backward<G, T, decltype(slope)::value>(queue, arguments, images.batch, in_vectors);
  };
  switch (slope_of(params)) {
    case Slope::kWindow:
      return run(std::integral_constant<Slope, Slope::kWindow>{});
    case Slope::kRectangular:
      return run(std::integral_constant<Slope, Slope::kRectangular>{});
    case Slope::kTriangular:
      return run(std::integral_constant<Slope, Slope::kTriangular>{});
    case Slope::kSigmoid:
      return run(std::integral_constant<Slope, Slope::kSigmoid>{});
    case Slope::kArctan:
      return run(std::integral_constant<Slope, Slope::kArctan>{});
  }
}

}  // namespace spikeloom::kernels::cuda
