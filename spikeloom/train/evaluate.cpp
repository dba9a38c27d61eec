#include "spikeloom/train/evaluate.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/class_map.h"
#include "spikeloom/nn/loss.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/train/arithmetic_scope.h"
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

namespace {

bool begins_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

bool names_other_data(const std::string& assignment) {
  return begins_with(assignment, "data.dataset=") || begins_with(assignment, "data.folder=");
}

/// Back to the defaults what describes the files of the user's own data.
void forget_how_data_is_read(data::DataSettings& data) {
  const data::DataSettings defaults;
  data.folder = defaults.folder;
  data.format = defaults.format;
  data.sensor = defaults.sensor;
  data.sensor_width = defaults.sensor_width;
  data.sensor_height = defaults.sensor_height;
  data.chip = defaults.chip;
  data.camera = defaults.camera;
  data.time_unit = defaults.time_unit;
  data.columns = defaults.columns;
  data.image_size = defaults.image_size;
  data.resize = defaults.resize;
  data.channels = defaults.channels;
}

/// The recipe with what is other for this evaluation.
Recipe evaluated_recipe(const Recipe& trained, const std::vector<std::string>& overrides) {
  if (overrides.empty()) return trained;
  for (const std::string& assignment : overrides) {
    if (begins_with(assignment, "data.") || begins_with(assignment, "network.num_steps=")) continue;
    throw ConfigError(
        "'" + assignment + "' cannot be changed for an evaluation: only keys of [data] and network.num_steps",
        "--set");
  }
  Recipe recipe = trained;
  if (std::any_of(overrides.begin(), overrides.end(), names_other_data)) {
    const data::DataSettings defaults;
    data::DataSettings& data = recipe.data;
    data.validation_samples = defaults.validation_samples;
    data.train_limit = defaults.train_limit;
    data.test_limit = defaults.test_limit;
    data.split = defaults.split;
    data.split_seed = defaults.split_seed;
    data.folds = defaults.folds;
    data.fold = defaults.fold;
    recipe.training.keep_best = false;  // needs validation samples, and nothing is trained
  }
  const auto names_set = [](const std::string& assignment) {
    return begins_with(assignment, "data.dataset=");
  };
  if (std::any_of(overrides.begin(), overrides.end(), names_set)) {
    // How the recipe's own data is read says nothing about another set; in "folder" and the like it is kept.
    Recipe other = parse_recipe(to_toml(recipe), "the recipe of the model", overrides);
    if (other.data.dataset != trained.data.dataset) forget_how_data_is_read(recipe.data);
  }
  recipe = parse_recipe(to_toml(recipe), "the recipe of the model", overrides);
  const bool other_data =
      recipe.data.dataset != trained.data.dataset || recipe.data.folder != trained.data.folder;
  if (other_data && recipe.data.standardize) {
    throw ConfigError(
        "the model was trained on pixels standardised by the training images of '" + trained.data.dataset +
            "'; other data has other statistics, which would change the result: evaluate on that set",
        "", 0, "data.standardize");
  }
  return recipe;
}

/// The part that was asked for. Throws ConfigError or DataError if there is none.
std::shared_ptr<const data::Dataset> part_of(const data::DataSplits& splits, const std::string& split) {
  if (split == "test") return splits.require_test();
  if (split == "train") return splits.train;
  if (splits.validation == nullptr) {
    throw ConfigError("there is no validation part (data.validation_samples = 0); use --split test or train");
  }
  return splits.validation;
}

void check_split_name(const std::string& split) {
  for (const char* name : {"train", "validation", "test"}) {
    if (split == name) return;
  }
  throw ConfigError("unknown split '" + split + "': train, validation or test");
}

void check_shape(const data::Dataset& dataset, const ModelInfo& info) {
  const data::SampleShape shape = dataset.shape();
  const model::Shape given{shape.channels, shape.height, shape.width};
  if (given == info.input) return;
  throw ConfigError("the model takes samples of " + to_string(info.input) +
                    " (channels x height x width), the data set '" + dataset.name() + "' has " +
                    to_string(given));
}

}  // namespace

ModelEvaluation evaluate_model(const EvaluationRequest& request) {
  const ArithmeticScope scope(request.threads);
  check_split_name(request.split);
  ModelEvaluation evaluation;
  evaluation.model = find_model(request.model);
  ModelInfo info;
  const at::Device device = ops::device_of(request.device);
  auto network = load_network(evaluation.model, &info);
  const Recipe recipe = evaluated_recipe(info.recipe, request.overrides);
  if (recipe.network.num_steps != info.recipe.network.num_steps) {
    // The parameters do not depend on the number of steps.
    network = std::make_unique<nn::Network>(info.plan(), recipe.network, recipe.seed);
    load_parameters(evaluation.model, *network);
  }
  if (!device.is_cpu()) {
    ops::prepare_arithmetic(device, recipe.network.compute.precision == model::Precision::kBf16);
    network->to(device);
  }
  const data::ClassMap class_map =
      request.class_map.empty() ? data::ClassMap{} : data::parse_class_map(request.class_map);
  const auto splits = data::open_dataset(recipe.data, recipe.network.num_steps, request.data_dir,
                                         request.split == "test" ? data::Parts::kTest : data::Parts::kAll);
  std::shared_ptr<const data::Dataset> dataset = part_of(splits, request.split);
  check_shape(*dataset, info);
  evaluation.data_classes = dataset->class_names();
  dataset = data::with_classes(dataset, info.class_names, class_map);
  NetworkEvaluation settings;
  settings.batch_size = request.batch_size > 0 ? request.batch_size : recipe.training.eval_batch_size;
  settings.workers = recipe.training.workers;
  settings.limit = request.limit;
  settings.loss = recipe.loss;
  settings.progress = request.progress;
  dataset->prepare([&](std::int64_t done, std::int64_t total) {
    if (request.preparing) request.preparing(done, total);
    return true;
  });
  evaluation.result = evaluate_network(*network, dataset, settings);
  evaluation.dataset = dataset->name();
  evaluation.data_root = splits.root;
  evaluation.data_description = splits.description;
  evaluation.class_names = info.class_names;
  return evaluation;
}

}  // namespace spikeloom::train
