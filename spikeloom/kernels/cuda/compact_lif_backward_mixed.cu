#include "spikeloom/kernels/cuda/compact_lif_backward.h"

namespace spikeloom::kernels::cuda {

template void compact_lif_backward(const Queue&, const LifSize&, const NeuronParams&, const PackedImages&,
                                   const BFloat16*, const NeuNormGradient&, const std::uint8_t*,
                                   const std::uint8_t*, float*);

}  // namespace spikeloom::kernels::cuda
