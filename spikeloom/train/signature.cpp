#include "spikeloom/train/signature.h"

#include <ATen/core/Tensor.h>

#include <string_view>

#include "spikeloom/data/md5.h"
#include "spikeloom/nn/loss.h"
#include "spikeloom/nn/network.h"
#include "spikeloom/train/arithmetic_scope.h"
#include "spikeloom/train/optimizer.h"
#include "spikeloom/train/random_batch.h"

namespace spikeloom::train {
namespace {

void add(data::Md5& sum, const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().contiguous();
  sum.add(values.data_ptr(), static_cast<std::size_t>(values.nbytes()));
}

}  // namespace

std::string training_signature(const BenchmarkRequest& request) {
  const ArithmeticScope scope(request.threads);
  nn::Network network(model::plan_network(request.network, request.input, request.num_classes),
                      request.network, request.seed);
  OptimizerSettings settings;
  settings.learning_rate = 0.01;
  Optimizer optimizer(network.parameters(), settings);
  const at::Tensor input = random_input(request), labels = random_labels(request);
  if (request.firing_rate > 0.0) {
    network.calibrate(input, request.firing_rate, nn::Network::CalibrationTarget::kThresholds);
  }
  data::Md5 sum;
  for (int i = 0; i < request.iterations; ++i) {
    if (request.progress) request.progress("training", i, request.iterations);
    std::vector<nn::LayerActivity> activity;
    nn::ForwardOptions options;
    options.training = true;
    options.seed = request.seed;
    options.iteration = static_cast<std::uint64_t>(i);
    options.activity = &activity;
    const at::Tensor loss = nn::mse_loss(network.forward(input, options), labels, nn::Reduction::kMean);
    loss.backward();
    optimizer.step();
    network.clamp_neuron_parameters();
    add(sum, loss);
    for (const auto& layer : activity) add(sum, layer.spike_count);
  }
  for (const auto& parameter : network.parameters()) add(sum, parameter.value);
  return sum.hex();
}

}  // namespace spikeloom::train
