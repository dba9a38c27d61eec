#include "spikeloom/train/evaluation/evaluate.h"

#include <algorithm>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/class_map.h"
#include "spikeloom/train/evaluation/evaluate_network.h"
#include "spikeloom/train/machine/arithmetic_scope.h"
#include "spikeloom/train/run/checkpoint.h"

namespace spikeloom::train {

namespace {

bool names_other_data(const std::string& assignment) {
  return starts_with(assignment, "data.dataset=") || starts_with(assignment, "data.folder=");
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
    if (starts_with(assignment, "data.") || starts_with(assignment, "network.num_steps=")) continue;
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
  }
  // These need validation samples, which other data may not have; and nothing is trained.
  recipe.training.keep_best = false;
  recipe.training.early_stopping_epochs = 0;
  const auto names_set = [](const std::string& assignment) {
    return starts_with(assignment, "data.dataset=");
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
  auto network = load_network(evaluation.model, &info);
  const Recipe recipe = evaluated_recipe(info.recipe, request.overrides);
  if (recipe.network.num_steps != info.recipe.network.num_steps) {
    // The parameters do not depend on the number of steps.
    network = make_network(info.plan(), recipe.network, recipe.seed);
    load_parameters(evaluation.model, *network);
  }
  if (request.device != "cpu") network->to(request.device);
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
  settings.keep_predictions = request.keep_predictions;
  settings.loss = recipe.loss;
  settings.progress = request.progress;
  dataset->prepare([&](std::int64_t done, std::int64_t total) {
    if (request.preparing) request.preparing(done, total);
    return true;
  });
  evaluation.result = evaluate_network(*network, dataset, settings);
  for (std::size_t i = 0; i < evaluation.result.predictions.size(); ++i) {
    evaluation.sample_names.push_back(dataset->origin(static_cast<std::int64_t>(i)).for_people());
  }
  evaluation.dataset = dataset->name();
  evaluation.data_root = splits.root;
  evaluation.data_description = splits.description;
  evaluation.class_names = info.class_names;
  return evaluation;
}

}  // namespace spikeloom::train
