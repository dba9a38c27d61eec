#include "spikeloom/train/evaluation/trained_network.h"

#include <algorithm>
#include <cmath>

#include "spikeloom/base/errors.h"
#include "spikeloom/train/machine/arithmetic_scope.h"
#include "spikeloom/train/network/firing_rates.h"
#include "spikeloom/train/network/vote_loss.h"
#include "spikeloom/train/run/checkpoint.h"

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

int Votes::best(std::int64_t sample) const { return static_cast<int>(best_class(of(sample))); }

TrainedNetwork::TrainedNetwork(ModelInfo info, std::unique_ptr<Network> network)
    : info_(std::move(info)), network_(std::move(network)) {}
TrainedNetwork::TrainedNetwork(TrainedNetwork&&) noexcept = default;
TrainedNetwork& TrainedNetwork::operator=(TrainedNetwork&&) noexcept = default;
TrainedNetwork::~TrainedNetwork() = default;

TrainedNetwork TrainedNetwork::load(const std::string& run_or_model, const std::string& device) {
  ModelInfo info;
  auto network = load_network(find_model(run_or_model), &info);
  if (device != "cpu") network->to(device);
  return {std::move(info), std::move(network)};
}

engine::Engine& TrainedNetwork::engine() { return network_->engine(); }

TrainedNetwork TrainedNetwork::initialised(ModelInfo info) {
  if (info.class_names.empty()) throw ConfigError("a network needs at least one class name");
  const ArithmeticScope scope;
  auto network = make_network(info.plan(), info.recipe.network, info.recipe.seed);
  return {std::move(info), std::move(network)};
}

Votes TrainedNetwork::forward(Span<const float> inputs, std::int64_t samples, int threads) {
  const std::int64_t steps = steps_of(inputs.size(), samples, info_);
  const auto* wrong =
      std::find_if(inputs.begin(), inputs.end(), [](float value) { return !std::isfinite(value); });
  if (wrong != inputs.end()) {
    throw NumericsError("inputs[" + std::to_string(wrong - inputs.begin()) + "] is not a finite number");
  }
  const ArithmeticScope scope(threads);
  network_->engine().collect();
  Votes result;
  result.num_classes = network_->program().num_classes;
  result.values = network_->votes(network_->batch_of(inputs.data(), steps, samples));
  FiringRates rates;
  rates.add(*network_, network_->engine().collect());
  result.firing_rates = rates.rates();
  return result;
}

void TrainedNetwork::save(const std::string& path) const { save_model(path, *network_, info_); }

}  // namespace spikeloom::train
