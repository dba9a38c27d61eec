#include "spikeloom/train/recipe/recipe_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "spikeloom/events/transforms/transform.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/event_reader_options.h"
#include "spikeloom/model/structure.h"
#include "spikeloom/train/recipe/schedule.h"

namespace spikeloom::train {
namespace {

model::Structure check_structure(config::Table network, const std::string& structure) {
  const std::string key = network.get_strings("layers").empty() ? "structure" : "layers";
  if (structure.empty()) {
    throw network.error(key,
                        "is missing; give the network, for example \"128C3(Encoding)-AP2-512FC-Voting\"");
  }
  try {
    return model::parse_structure(structure);
  } catch (const model::StructureError& error) {
    const config::Origin where = network.origin(key);
    throw error.at(where.file, where.line, "network." + key);
  }
}

void check_neuron(const config::Table& table, const model::NetworkSettings& network) {
  const kernels::NeuronParams& neuron = network.neuron;
  if (neuron.v_reset >= neuron.v_threshold) {
    throw table.error("v_reset",
                      fmt::format("must be below v_threshold = {}, or a neuron that has fired fires for ever",
                                  neuron.v_threshold));
  }
}

void check_data(const config::Table& table, const data::DataSettings& data) {
  if (data.dataset.empty()) throw table.error("dataset", "is empty; name a data set");
  if (data.flip_order != data::FlipOrder::kRandom && !data.horizontal_flip) {
    throw table.error("flip_order",
                      "says how data.horizontal_flip mirrors, which is false; set that to true");
  }
  if (data.overlap_us >= data.window_us) {
    throw table.error("overlap_us", "must be below window_us = " + std::to_string(data.window_us));
  }
  if (data.overlap_events >= data.events_per_step) {
    throw table.error("overlap_events",
                      "must be below events_per_step = " + std::to_string(data.events_per_step));
  }
  const auto check_text = [&](const char* key, const std::string& text, const auto& parse) {
    try {
      if (!text.empty()) parse(text);
    } catch (const ConfigError& error) {
      throw table.error(key, error.what());
    }
  };
  check_text("sensor", data.sensor, formats::parse_sensor);
  check_text("image_size", data.image_size, [](const std::string& text) {
    try {
      formats::parse_sensor(text);
    } catch (const ConfigError&) {
      throw ConfigError("'" + text + "' is not a size: give WIDTHxHEIGHT in pixels, for example 32x32");
    }
  });
  check_text("time_unit", data.time_unit, formats::parse_time_unit);
  check_text("columns", data.columns, formats::parse_columns);
  const std::vector<std::string> names = formats::event_format_names();
  if (data.format != "auto" && std::find(names.begin(), names.end(), data.format) == names.end()) {
    std::string all;
    for (const std::string& name : names) all += ", " + name;
    throw table.error("format", "there is no event format '" + data.format + "'; choose auto" + all);
  }
  if (data.channels == 2)
    throw table.error("channels", "must be 1 (grey), 3 (colour) or 0 (as the images are)");
  for (const std::string& text : data.transforms) {
    try {
      events::parse_transform(text);
    } catch (const ConfigError& error) {
      throw table.error("transforms", error.what());
    }
  }
}

void check_steps_schedule(const config::Table& table, const Recipe& recipe) {
  std::vector<StepsPhase> phases;
  try {
    phases = parse_steps_schedule(recipe.schedule.num_steps);
  } catch (const ConfigError& error) {
    throw table.error("num_steps", error.what());
  }
  if (phases.empty()) return;
  if (recipe.network.kind == model::NetworkKind::kAnn) {
    throw table.error("num_steps", "network.kind is 'ann', which has no time steps; leave it empty");
  }
  if (const std::string key = recipe.network.fixes_num_steps(); !key.empty()) {
    throw table.error("num_steps",
                      "is not possible with " + key +
                          ", which has a parameter for each step; leave it empty, or change that");
  }
  for (const StepsPhase& phase : phases) {
    if (phase.num_steps <= recipe.network.num_steps) continue;
    throw table.error("num_steps",
                      fmt::format("has {} steps and the network ends with network.num_steps = {}, "
                                  "which must be the most",
                                  phase.num_steps, recipe.network.num_steps));
  }
}

void check_training(config::Table& root, const Recipe& recipe) {
  check_steps_schedule(root.table("schedule"), recipe);
  if (recipe.optimizer.nesterov && recipe.optimizer.momentum == 0.0) {
    throw root.table("optimizer").error("nesterov", "needs optimizer.momentum above 0");
  }
  if (recipe.loss.tet_weight > 0.0 && !recipe.loss.each_step) {
    throw root.table("loss").error("tet_weight", "acts on the votes of each step; set loss.each_step = true");
  }
  if (recipe.schedule.warmup_epochs > recipe.training.epochs) {
    throw root.table("schedule")
        .error("warmup_epochs", "exceeds training.epochs = " + std::to_string(recipe.training.epochs));
  }
  if (recipe.training.accumulate > recipe.training.batch_size) {
    throw root.table("training")
        .error("accumulate", "exceeds training.batch_size = " + std::to_string(recipe.training.batch_size));
  }
  const std::string whole = recipe.network.needs_whole_batch();
  if (recipe.training.accumulate > 1 && !whole.empty()) {
    throw root.table("training")
        .error("accumulate", "runs a batch in pieces, and " + whole + " needs all of it at once");
  }
  if (recipe.training.keep_best && recipe.data.validation_samples == 0) {
    throw root.table("training")
        .error("keep_best",
               "the best epoch is chosen on validation samples and there are none; set "
               "data.validation_samples, or keep_best = false to take the last epoch");
  }
  if (recipe.training.early_stopping_epochs > 0 && recipe.data.validation_samples == 0) {
    throw root.table("training")
        .error("early_stopping_epochs",
               "what has to improve is the accuracy on validation samples and there are none; set "
               "data.validation_samples, or early_stopping_epochs = 0");
  }
}

}  // namespace

void check_recipe(config::Table& root, const Recipe& recipe) {
  const model::Structure structure = check_structure(root.table("network"), recipe.network.structure);
  check_neuron(root.table("neuron"), recipe.network);
  if (const auto wrong = model::contradiction(recipe.network, !structure.blocks.empty())) {
    throw root.table(wrong->table).error(wrong->key, wrong->message);
  }
  check_data(root.table("data"), recipe.data);
  check_training(root, recipe);
}

}  // namespace spikeloom::train
