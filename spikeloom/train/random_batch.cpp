#include "spikeloom/train/random_batch.h"

#include <ATen/ops/empty.h>

#include "spikeloom/base/random.h"

namespace spikeloom::train {

at::Tensor random_input(const BenchmarkRequest& request) {
  const std::int64_t steps = request.still_image ? 1 : request.network.num_steps;
  at::Tensor x = at::empty(
      {steps, request.batch_size, request.input.height, request.input.width, request.input.channels});
  RandomStream stream(request.seed, RandomPurpose::kBench);
  float* values = x.data_ptr<float>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const float u = stream.uniform();
    values[i] = request.still_image ? u : (u < static_cast<float>(request.input_density) ? 1.0f : 0.0f);
  }
  return x.movedim(-1, -3);
}

at::Tensor random_labels(const BenchmarkRequest& request) {
  at::Tensor labels = at::empty({request.batch_size}, at::kLong);
  RandomStream stream(request.seed, RandomPurpose::kBench, 1);
  for (std::int64_t n = 0; n < request.batch_size; ++n) {
    labels.data_ptr<std::int64_t>()[n] = stream.below(static_cast<std::uint32_t>(request.num_classes));
  }
  return labels;
}

}  // namespace spikeloom::train
