#include "spikeloom/train/benchmark/signature.h"

#include "spikeloom/data/md5.h"
#include "spikeloom/train/benchmark/random_batch.h"
#include "spikeloom/train/machine/arithmetic_scope.h"
#include "spikeloom/train/steps/step_runner.h"

namespace spikeloom::train {
namespace {

template <class Value>
void add(data::Md5& sum, const std::vector<Value>& values) {
  sum.add(values.data(), values.size() * sizeof(Value));
}

}  // namespace

std::string training_signature(const BenchmarkRequest& request) {
  const ArithmeticScope scope(request.threads);
  const auto network = make_network(model::plan_network(request.network, request.input, request.num_classes),
                                    request.network, request.seed);
  const std::vector<float> input = random_input(request);
  const std::vector<std::int64_t> labels = random_labels(request);
  const std::int64_t steps = request.still_image ? 1 : request.network.num_steps;
  if (request.firing_rate > 0.0) {
    network->engine().calibrate(network->batch_of(input.data(), steps, request.batch_size),
                                request.firing_rate, engine::Engine::CalibrationTarget::kThresholds);
  }
  OptimizerSettings settings;
  settings.learning_rate = 0.01;
  StepRunner runner(*network, settings, LossSettings(), request.seed, steps, request.batch_size);
  const engine::Batch batch = network->batch_of(input.data(), steps, request.batch_size, labels.data());
  data::Md5 sum;
  for (int i = 0; i < request.iterations; ++i) {
    if (request.progress) request.progress("training", i, request.iterations);
    runner.step(batch, i, settings.learning_rate);
    const engine::Sums sums = network->engine().collect();
    add(sum, std::vector<double>{sums.loss});
    add(sum, sums.spikes);
  }
  for (std::size_t slot = 0; slot < network->program().slots.size(); ++slot) {
    add(sum, network->engine().read(static_cast<int>(slot)));
  }
  return sum.hex();
}

}  // namespace spikeloom::train
