#include "spikeloom/nn/initialise.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <cmath>

#include "spikeloom/base/random.h"
#include "spikeloom/base/threads.h"

namespace spikeloom::nn {

namespace {

template <class T>
void fill(T* values, std::int64_t size, double standard_deviation, std::uint64_t seed,
          std::uint64_t tensor_number) {
  // One random stream a chunk: threads can share the work and the numbers stay the same.
  constexpr std::int64_t kChunk = 1 << 14;
  const std::int64_t chunks = (size + kChunk - 1) / kChunk;
#pragma omp parallel for schedule(static) num_threads(num_threads())
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    RandomStream stream(seed, RandomPurpose::kInit, tensor_number, static_cast<std::uint64_t>(chunk));
    const std::int64_t end = std::min(size, (chunk + 1) * kChunk);
    for (std::int64_t i = chunk * kChunk; i < end; ++i) {
      values[i] = static_cast<T>(standard_deviation * stream.normal());
    }
  }
}

}  // namespace

void fill_normal(at::Tensor& x, double standard_deviation, std::uint64_t seed, std::uint64_t tensor_number) {
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "fill_normal", [&] {
    fill(x.data_ptr<scalar_t>(), x.numel(), standard_deviation, seed, tensor_number);
  });
}

double initial_standard_deviation(double gain, double v_threshold, std::int64_t fan_in) {
  return gain * (v_threshold / kReferenceThreshold) * std::sqrt(2.0 / static_cast<double>(fan_in));
}

}  // namespace spikeloom::nn
