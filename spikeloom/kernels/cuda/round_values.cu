#include "spikeloom/kernels/cuda/octet.h"
#include "spikeloom/kernels/cuda/round_values.h"

namespace spikeloom::kernels::cuda {
namespace {

/// Index = octet of values.
struct RoundOctets {
  std::int64_t count;
  bool aligned;
  const float* values;
  BFloat16* rounded;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t octet) const {
    const std::int64_t at = octet * 8, left = count - at, length = left < 8 ? left : 8;
    const bool whole = aligned && left >= 8;
    const auto raw = load_some(values + at, whole, length);
    float floats[8];
    SPIKELOOM_UNROLL
    for (int i = 0; i < 8; ++i) floats[i] = value_of(raw, i);
    store_some(raw_of<BFloat16>(floats), whole, length, rounded + at);
  }
};

}  // namespace

void round_values(const Queue& queue, std::int64_t count, const float* values, BFloat16* rounded) {
  const bool aligned = is_aligned(values) && is_aligned(rounded);
  for_each(queue, "round_values", (count + 7) / 8, RoundOctets{count, aligned, values, rounded});
}

}  // namespace spikeloom::kernels::cuda
