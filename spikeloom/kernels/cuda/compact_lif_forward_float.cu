#include "spikeloom/kernels/cuda/compact_lif_forward.h"

namespace spikeloom::kernels::cuda {

template void compact_lif_forward(const Queue&, const LifSize&, const NeuronParams&, const PackedImages&,
                                  const float*, const float*, const CompactLifOutput<float>&);

}  // namespace spikeloom::kernels::cuda
