#include "spikeloom/train/trained_network.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/nn/network.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/arithmetic_scope.h"
#include "spikeloom/train/batch_tensors.h"
#include "spikeloom/train/checkpoint.h"
#include "spikeloom/train/evaluate_network.h"

namespace spikeloom::train {
namespace {

/// The time steps that so many values hold. Throws ShapeError.
std::int64_t steps_of(std::size_t values, std::int64_t samples, const ModelInfo& info) {
  const std::int64_t num_steps = info.recipe.network.num_steps;
  const std::int64_t step = info.input.size();
  if (samples >= 1) {
    const auto count = static_cast<std::int64_t>(values);
    for (const std::int64_t steps : {std::int64_t{1}, num_steps}) {
      if (count / steps / step == samples && count == steps * step * samples) return steps;
    }
  }
  throw ShapeError("inputs has " + std::to_string(values) + " values for " + std::to_string(samples) +
                   " samples: expected at least one sample, each of " + std::to_string(step) + " values (" +
                   model::to_string(info.input) + ") at 1 step or at each of " + std::to_string(num_steps));
}

}  // namespace

int Votes::best(std::int64_t sample) const {
  const auto votes = of(sample);
  return static_cast<int>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

TrainedNetwork::TrainedNetwork(ModelInfo info, std::unique_ptr<nn::Network> network)
    : info_(std::move(info)), network_(std::move(network)) {}
TrainedNetwork::TrainedNetwork(TrainedNetwork&&) noexcept = default;
TrainedNetwork& TrainedNetwork::operator=(TrainedNetwork&&) noexcept = default;
TrainedNetwork::~TrainedNetwork() = default;

TrainedNetwork TrainedNetwork::load(const std::string& run_or_model, const std::string& device) {
  ModelInfo info;
  const at::Device place = ops::device_of(device);
  auto network = load_network(find_model(run_or_model), &info);
  if (!place.is_cpu()) {
    ops::prepare_arithmetic(place, info.recipe.network.compute.precision == model::Precision::kBf16);
    network->to(place);
  }
  return {std::move(info), std::move(network)};
}

TrainedNetwork TrainedNetwork::initialised(ModelInfo info) {
  if (info.class_names.empty()) throw ConfigError("a network needs at least one class name");
  const ArithmeticScope scope;
  auto network = std::make_unique<nn::Network>(info.plan(), info.recipe.network, info.recipe.seed);
  return {std::move(info), std::move(network)};
}

Votes TrainedNetwork::forward(Span<const float> inputs, std::int64_t samples, int threads) {
  const model::Shape& shape = info_.input;
  data::SampleShape sample;
  sample.num_steps = steps_of(inputs.size(), samples, info_);
  sample.channels = shape.channels;
  sample.height = shape.height;
  sample.width = shape.width;
  const auto* wrong =
      std::find_if(inputs.begin(), inputs.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != inputs.end()) {
    throw NumericsError("inputs[" + std::to_string(wrong - inputs.begin()) + "] is not a finite number");
  }
  const ArithmeticScope scope(threads);
  const at::NoGradGuard no_grad;
  data::Batch batch;
  batch.inputs = inputs.data();
  batch.size = samples;
  std::vector<nn::LayerActivity> activity;
  nn::ForwardOptions options;
  options.activity = &activity;
  const at::Tensor votes = network_->forward(batch_inputs(batch, sample), options).to(at::kCPU).contiguous();
  Votes result;
  result.num_classes = network_->plan().num_classes;
  result.values.assign(votes.data_ptr<float>(), votes.data_ptr<float>() + votes.numel());
  FiringRates rates;
  rates.add(activity);
  result.firing_rates = rates.rates();
  return result;
}

void TrainedNetwork::save(const std::string& path) const { save_model(path, *network_, info_); }

}  // namespace spikeloom::train
