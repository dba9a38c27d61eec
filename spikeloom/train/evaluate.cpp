#include "spikeloom/train/evaluate.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>

#include "spikeloom/base/errors.h"
#include "spikeloom/nn/loss.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/checkpoint.h"
#include "spikeloom/train/evaluate_network.h"

namespace spikeloom::train {

at::Tensor batch_inputs(const data::Batch& batch, const data::SampleShape& shape) {
  // from_blob takes a mutable pointer; nothing here writes to its inputs.
  return at::from_blob(const_cast<float*>(batch.inputs),
                       {shape.num_steps, batch.size, shape.height, shape.width, shape.channels}, at::kFloat)
      .movedim(-1, -3);
}

at::Tensor batch_labels(const data::Batch& batch) {
  return at::from_blob(const_cast<std::int64_t*>(batch.labels), {batch.size}, at::kLong);
}

at::Tensor recipe_loss(const at::Tensor& votes, const at::Tensor& labels, const LossSettings& settings) {
  if (settings.kind == LossSettings::kCrossEntropy) {
    return nn::cross_entropy_loss(votes, labels, settings.vote_scale);
  }
  return nn::mse_loss(votes, labels,
                      settings.reduction == LossSettings::kMean ? nn::Reduction::kMean : nn::Reduction::kSum);
}

void FiringRates::add(const std::vector<nn::LayerActivity>& activity) {
  if (layers.empty()) layers.resize(activity.size());
  for (std::size_t i = 0; i < activity.size(); ++i) {
    layers[i].name = activity[i].name;
    layers[i].spikes += static_cast<double>(activity[i].spike_count.item().toLong());
    layers[i].neuron_steps += static_cast<double>(activity[i].neuron_steps);
  }
}

std::vector<std::pair<std::string, double>> FiringRates::rates() const {
  std::vector<std::pair<std::string, double>> result;
  for (const auto& layer : layers) {
    result.emplace_back(layer.name, layer.neuron_steps > 0.0 ? layer.spikes / layer.neuron_steps : 0.0);
  }
  return result;
}

EvaluationResult evaluate_network(nn::Network& network, const std::shared_ptr<const data::Dataset>& dataset,
                                  const NetworkEvaluation& settings) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const at::NoGradGuard no_grad;
  EvaluationResult result;
  const std::size_t classes = dataset->class_names().size();
  result.confusion.assign(classes, std::vector<std::int64_t>(classes, 0));
  data::LoaderSettings loading;
  loading.batch_size = settings.batch_size;
  loading.workers = settings.workers;
  data::Loader loader(dataset, loading);
  const std::int64_t total = settings.limit > 0 ? std::min(settings.limit, dataset->size()) : dataset->size();
  FiringRates rates;
  double loss_sum = 0.0;
  while (const data::Batch* batch = loader.next()) {
    data::Batch part = *batch;
    at::Tensor inputs = batch_inputs(part, dataset->shape());
    part.size = std::min(part.size, total - result.samples);
    inputs = inputs.narrow(1, 0, part.size);
    const at::Tensor labels = batch_labels(part);
    std::vector<nn::LayerActivity> activity;
    nn::ForwardOptions options;
    options.activity = &activity;
    const at::Tensor votes = network.forward(inputs, options).to(at::kCPU);
    loss_sum += recipe_loss(votes, labels, settings.loss).item().toDouble() * static_cast<double>(part.size);
    const at::Tensor predicted = nn::predict(votes);
    for (std::int64_t n = 0; n < part.size; ++n) {
      const auto label = static_cast<std::size_t>(part.labels[n]);
      const auto guess = static_cast<std::size_t>(predicted.data_ptr<std::int64_t>()[n]);
      ++result.confusion[label][guess];
      result.correct += label == guess ? 1 : 0;
    }
    rates.add(activity);
    result.samples += part.size;
    if (settings.progress) settings.progress(result.samples, total);
    if (result.samples >= total || (settings.stop != nullptr && *settings.stop)) break;
  }
  if (result.samples > 0) {
    result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.samples);
    result.loss = loss_sum / static_cast<double>(result.samples);
  }
  result.firing_rates = rates.rates();
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return result;
}

ModelEvaluation evaluate_model(const EvaluationRequest& request) {
  ModelEvaluation evaluation;
  evaluation.model = find_model(request.model);
  ModelInfo info;
  const at::Device device = ops::device_of(request.device);
  const auto network = load_network(evaluation.model, &info);
  if (!device.is_cpu()) {
    ops::prepare_arithmetic(device, info.recipe.network.compute.precision == model::Precision::kBf16);
    network->to(device);
  }
  const auto splits = data::open_dataset(info.recipe.data, info.recipe.network.num_steps, request.data_dir);
  std::shared_ptr<const data::Dataset> dataset;
  if (request.split == "test") {
    dataset = splits.require_test();
  } else if (request.split == "train") {
    dataset = splits.train;
  } else if (request.split == "validation") {
    dataset = splits.validation;
    if (!dataset) {
      throw ConfigError(
          "this model was trained without a validation split (data.validation_samples = 0); use --split "
          "test or train");
    }
  } else {
    throw ConfigError("unknown split '" + request.split + "': train, validation or test");
  }
  if (dataset->class_names().size() != info.class_names.size()) {
    throw CheckpointError(evaluation.model + ": votes for " + std::to_string(info.class_names.size()) +
                          " classes, the data set '" + dataset->name() + "' has " +
                          std::to_string(dataset->class_names().size()));
  }
  NetworkEvaluation settings;
  settings.batch_size = request.batch_size > 0 ? request.batch_size : info.recipe.training.eval_batch_size;
  settings.workers = info.recipe.training.workers;
  settings.limit = request.limit;
  settings.loss = info.recipe.loss;
  settings.progress = request.progress;
  dataset->prepare([&](std::int64_t done, std::int64_t total) {
    if (request.preparing) request.preparing(done, total);
    return true;
  });
  evaluation.result = evaluate_network(*network, dataset, settings);
  evaluation.dataset = dataset->name();
  evaluation.data_root = splits.root;
  evaluation.class_names = info.class_names;
  return evaluation;
}

}  // namespace spikeloom::train
