#include "spikeloom/kernels/cuda/compact_lif_backward_choice.h"

namespace spikeloom::kernels::cuda {

template void compact_lif_backward(const Queue&, const LifSize&, const NeuronParams&, const PackedImages&,
                                   const BFloat16*, const NeuNormGradient&, const std::uint8_t*,
                                   const std::uint8_t*, BFloat16*, double*, void*);

}  // namespace spikeloom::kernels::cuda
