#include "spikeloom/kernels/cuda/compact_lif_backward_choice.h"

namespace spikeloom::kernels::cuda {

std::int64_t compact_lif_backward_workspace(std::int64_t neurons) {
  const std::int64_t rows = (neurons + kWarpLanes - 1) / kWarpLanes;
  return (rows + kSumParts) * static_cast<std::int64_t>(sizeof(ParameterSums));
}

template void compact_lif_backward(const Queue&, const LifSize&, const NeuronParams&, const PackedImages&,
                                   const float*, const NeuNormGradient&, const std::uint8_t*,
                                   const std::uint8_t*, float*, double*, void*);

}  // namespace spikeloom::kernels::cuda
