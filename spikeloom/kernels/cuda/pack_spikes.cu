#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/launch.h"
#include "spikeloom/kernels/cuda/pack_spikes.h"
#include "spikeloom/kernels/packed_spikes.h"

namespace spikeloom::kernels::cuda {
namespace {

SPIKELOOM_HOST_DEVICE inline bool is_spike(std::uint8_t value) { return value != 0; }
SPIKELOOM_HOST_DEVICE inline bool is_spike(float value) { return value != 0.0f; }
SPIKELOOM_HOST_DEVICE inline bool is_spike(BFloat16 value) { return (value.bits & 0x7fffu) != 0; }

/// Index = byte of the spikes of all steps.
template <class T>
struct PackBytes {
  std::int64_t neurons;
  Divisor bytes;  ///< of a step
  const T* values;
  std::uint8_t* spikes;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t index) const {
    std::int64_t t = index;
    const std::int64_t first = bytes.split(t) * 8;
    const T* from = values + t * neurons + first;
    std::uint32_t bits = 0;
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) {
      if (first + i < neurons && is_spike(from[i])) bits |= 1u << i;
    }
    spikes[index] = static_cast<std::uint8_t>(bits);
  }
};

}  // namespace

template <class T>
void pack_spikes(const Queue& queue, std::int64_t num_steps, std::int64_t neurons, const T* values,
                 std::uint8_t* spikes) {
  const std::int64_t bytes = packed_bytes(neurons);
  for_each(queue, "pack_spikes", num_steps * bytes, PackBytes<T>{neurons, Divisor(bytes), values, spikes});
}

template void pack_spikes(const Queue&, std::int64_t, std::int64_t, const float*, std::uint8_t*);
template void pack_spikes(const Queue&, std::int64_t, std::int64_t, const BFloat16*, std::uint8_t*);
template void pack_spikes(const Queue&, std::int64_t, std::int64_t, const std::uint8_t*, std::uint8_t*);

}  // namespace spikeloom::kernels::cuda
