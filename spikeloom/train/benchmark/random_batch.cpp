#include "spikeloom/train/benchmark/random_batch.h"

#include "spikeloom/base/random.h"

namespace spikeloom::train {

std::vector<float> random_input(const BenchmarkRequest& request) {
  const std::int64_t steps = request.still_image ? 1 : request.network.num_steps;
  std::vector<float> values(static_cast<std::size_t>(steps * request.batch_size * request.input.size()));
  RandomStream stream(request.seed, RandomPurpose::kBench);
  for (float& value : values) {
    const float u = stream.uniform();
    value = request.still_image ? u : (u < static_cast<float>(request.input_density) ? 1.0f : 0.0f);
  }
  return values;
}

std::vector<std::int64_t> random_labels(const BenchmarkRequest& request) {
  std::vector<std::int64_t> labels(static_cast<std::size_t>(request.batch_size));
  RandomStream stream(request.seed, RandomPurpose::kBench, 1);
  for (std::int64_t& label : labels) label = stream.below(static_cast<std::uint32_t>(request.num_classes));
  return labels;
}

}  // namespace spikeloom::train
