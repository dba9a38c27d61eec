#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/event_file_options.h"
#include "app/info_data_file.h"
#include "app/network_arguments.h"
#include "app/output.h"
#include "app/recipe_search.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/detect.h"
#include "spikeloom/train/environment.h"
#include "spikeloom/train/model_info.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

struct InfoOptions {
  std::string what, input;
  EventFileOptions recording;
  int classes = 10;
  bool no_bias = false, neunorm = false;
  bool json = false;
};

ordered_json network_json(const model::NetworkPlan& plan, const model::NetworkSettings& settings) {
  ordered_json layers = ordered_json::array();
  for (const auto& layer : plan.layers) {
    ordered_json entry = {{"name", layer.name},
                          {"layer", model::to_string(layer.spec)},
                          {"input", model::to_string(layer.input)},
                          {"output", model::to_string(layer.output)},
                          {"parameters", layer.parameters},
                          {"macs_per_step", layer.macs_per_step}};
    if (layer.neunorm_after) entry["neunorm"] = true;
    layers.push_back(entry);
  }
  return {{"structure", settings.structure},       {"input", model::to_string(plan.input)},
          {"classes", plan.num_classes},           {"parameters", plan.parameters()},
          {"macs_per_step", plan.macs_per_step()}, {"layers", layers}};
}

void print_network(const model::NetworkPlan& plan) {
  std::vector<std::vector<std::string>> rows{{"name", "layer", "output", "parameters", "MACs a step"}};
  for (const auto& layer : plan.layers) {
    rows.push_back({layer.name, model::to_string(layer.spec) + (layer.neunorm_after ? " + NeuNorm" : ""),
                    model::to_string(layer.output), with_separators(layer.parameters),
                    with_separators(layer.macs_per_step)});
  }
  rows.push_back(
      {"total", "", "", with_separators(plan.parameters()), with_separators(plan.macs_per_step())});
  print_line(stdout, fmt::format("input {}, {} classes\n", model::to_string(plan.input), plan.num_classes));
  print_line(stdout, table(rows, {false, false, true, true, true}));
  print_line(stdout,
             fmt::format("\n{} parameters, {}MAC a step", with_prefix(static_cast<double>(plan.parameters())),
                         with_prefix(static_cast<double>(plan.macs_per_step()))));
}

int info_environment(bool json) {
  if (json) {
    std::string text = train::environment_json();
    text.pop_back();  // print_line ends the line
    print_line(stdout, text);
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : train::describe_environment()) rows.push_back({name, value});
  print_line(stdout, table(rows, {}));
  return kOk;
}

int info_model(const std::string& path, bool json) {
  const auto info = train::read_model_info(path);
  const auto plan = info.plan();
  if (json) {
    ordered_json object = network_json(plan, info.recipe.network);
    object["file"] = path;
    object["format"] = info.format;
    object["dataset"] = info.recipe.data.dataset;
    object["num_steps"] = info.recipe.network.num_steps;
    object["class_names"] = info.class_names;
    object["recipe"] = train::to_toml(info.recipe);
    print_json(object);
    return kOk;
  }
  print_line(stdout, fmt::format("{}: {} (recipe {}, trained on {}, T = {})\n{}", path, info.format,
                                 info.recipe.name, info.recipe.data.dataset, info.recipe.network.num_steps,
                                 info.recipe.network.structure));
  print_network(plan);
  return kOk;
}

int info_recipe(const std::string& path, bool json) {
  const auto recipe = train::load_recipe(path);
  const auto shape = data::nominal_sample_shape(recipe.data, recipe.network.num_steps);
  const auto plan = model::plan_network(recipe.network, {shape.channels, shape.height, shape.width},
                                        data::nominal_num_classes(recipe.data));
  if (json) {
    ordered_json object = network_json(plan, recipe.network);
    object["file"] = path;
    object["name"] = recipe.name;
    object["description"] = recipe.description;
    object["dataset"] = recipe.data.dataset;
    object["num_steps"] = recipe.network.num_steps;
    object["recipe"] = train::to_toml(recipe);
    print_json(object);
    return kOk;
  }
  print_line(stdout, fmt::format("recipe {} ({})", recipe.name, path));
  if (!recipe.description.empty()) print_line(stdout, recipe.description);
  print_line(stdout, fmt::format("data {}, T = {}, {} epochs of batches of {}\n{}", recipe.data.dataset,
                                 recipe.network.num_steps, recipe.training.epochs, recipe.training.batch_size,
                                 recipe.network.structure));
  print_network(plan);
  return kOk;
}

int info_data_file(const std::string& path, const EventFileOptions& recording, bool json) {
  const ordered_json object = describe_data_file(path, recording.reader_options());
  if (json) {
    print_json(object);
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : object.items()) {
    if (key == "tensors" || key == "metadata") {
      rows.push_back({key, std::to_string(value.size()) + " (--json lists them)"});
    } else {
      rows.push_back({key, value.is_string() ? value.get<std::string>() : value.dump()});
    }
  }
  print_line(stdout, table(rows, {}));
  return kOk;
}

int info_structure(const InfoOptions& options) {
  model::NetworkSettings settings;
  settings.structure = options.what;
  settings.bias = !options.no_bias;
  settings.neunorm.enabled = options.neunorm;
  check_network_string(options.what, "network '" + options.what + "'");  // its own mistakes first
  if (options.input.empty()) {
    throw ConfigError(
        "the layers' sizes depend on the input: add --input CHANNELSxHEIGHTxWIDTH, e.g. --input 3x32x32");
  }
  const auto plan = model::plan_network(settings, parse_input(options.input), options.classes);
  if (options.json) {
    print_json(network_json(plan, settings));
  } else {
    print_network(plan);
  }
  return kOk;
}

int run_info(const InfoOptions& options) {
  namespace fs = std::filesystem;
  const std::string& what = options.what;
  if (what.empty()) return info_environment(options.json);
  std::error_code ignored;
  if (fs::is_directory(what, ignored)) return info_model(train::find_model(what), options.json);
  if (formats::split_archive_path(what)) return info_data_file(what, options.recording, options.json);
  const bool is_file = fs::exists(what, ignored);
  if (is_file && fs::path(what).extension() != ".toml") {
    const bool model =
        options.recording.format == "auto" && formats::detect_file(what) == formats::FileKind::kSafetensors;
    try {
      if (model) return info_model(what, options.json);
    } catch (const CheckpointError&) {
      // safetensors of another program: shown as data
    }
    return info_data_file(what, options.recording, options.json);
  }
  const std::string recipe = try_find_recipe(what);
  if (!recipe.empty()) return info_recipe(recipe, options.json);
  const bool looks_like_path = what.find('/') != std::string::npos || fs::path(what).has_extension();
  if (looks_like_path) throw DataError(what + ": no such file, run folder or recipe");
  try {
    return info_structure(options);
  } catch (const model::StructureError& error) {
    // On a terminal the character itself is shown; elsewhere the one line with its column has to do.
    if (is_terminal(stderr)) std::fprintf(stderr, "%s\n", error.caret().c_str());
    throw;
  }
}

}  // namespace

void add_info(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<InfoOptions>();
  auto* command = program.add_subcommand(
      "info",
      "Describe a network string, recipe, model, run or data file; without an argument: this environment");
  command->add_option("what", options->what, "Network string, recipe, run folder, model file or data file")
      ->type_name("WHAT");
  command->add_option("--input", options->input, "Input of a network string, e.g. 3x32x32")
      ->type_name("CxHxW");
  command->add_option("--classes", options->classes, "Classes of a network string")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag("--no-bias", options->no_bias, "Network string without biases");
  command->add_flag("--neunorm", options->neunorm, "Network string with NeuNorm between convolutions");
  add_event_file_options(*command, options->recording);
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return run_info(*options); }; });
}

}  // namespace spikeloom::app
