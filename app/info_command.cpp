#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/event_file_options.h"
#include "app/info_data_file.h"
#include "app/info_run.h"
#include "app/network_arguments.h"
#include "app/network_needs.h"
#include "app/nir_file.h"
#include "app/output.h"
#include "app/recipe_search.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/detect.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/train/machine/environment.h"
#include "spikeloom/train/network/stage_paths.h"
#include "spikeloom/train/run/model_info.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

constexpr int kDefaultClasses = 10;

/// What an option says something about.
enum class Group { kInput, kNetwork, kRecording };

struct InfoOptions {
  std::string what, input;
  EventFileOptions recording;
  int classes = 0;  ///< 0: not given
  bool no_bias = false, neunorm = false;
  bool json = false;
  std::vector<std::pair<const CLI::Option*, Group>> groups;
};

/// Whose currents a layer adds to its own.
std::vector<std::string> added_currents(const model::NetworkPlan& plan, const model::LayerPlan& layer) {
  std::vector<std::string> names;
  for (const int shortcut : layer.shortcuts) {
    names.push_back(plan.layers[static_cast<std::size_t>(shortcut)].name);
  }
  return names;
}

std::vector<std::string> taken_spikes(const model::NetworkPlan& plan, const model::LayerPlan& layer) {
  std::vector<std::string> texts;
  for (const auto& source : layer.sources) texts.push_back(model::source_text(plan, source));
  return texts;
}

/// "conv1 + conv3"; of many "conv1 + ... + conv35 (18)", so that a line stays one.
std::string taken_text(const model::NetworkPlan& plan, const model::LayerPlan& layer) {
  constexpr std::size_t kShown = 4;
  if (layer.sources.size() <= kShown) return model::sources_text(plan, layer);
  return fmt::format("{} + ... + {} ({})", model::source_text(plan, layer.sources.front()),
                     model::source_text(plan, layer.sources.back()), layer.sources.size());
}

bool has_blocks(const model::NetworkPlan& plan) {
  return std::any_of(plan.layers.begin(), plan.layers.end(), [](const model::LayerPlan& layer) {
    return layer.sources.size() > 1 || !layer.shortcuts.empty();
  });
}

/// As the table shows it: what is behind the layer, and what a block adds.
std::string layer_text(const model::NetworkPlan& plan, const model::LayerPlan& layer,
                       const model::NetworkSettings& settings) {
  std::string text = model::to_string(layer.spec);
  if (layer.normalised) text += " + " + model::to_string(settings.norm.kind);
  for (const auto& name : added_currents(plan, layer)) text += " + current of " + name;
  if (layer.neunorm_after) text += " + NeuNorm";
  return text;
}

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
    if (layer.normalised) entry["norm"] = model::to_string(settings.norm.kind);
    if (layer.is_shortcut) entry["shortcut"] = true;
    if (layer.spec.has_weights()) entry["takes"] = taken_spikes(plan, layer);
    if (!layer.shortcuts.empty()) entry["adds_current_of"] = added_currents(plan, layer);
    layers.push_back(entry);
  }
  return {{"structure", settings.structure},       {"input", model::to_string(plan.input)},
          {"classes", plan.num_classes},           {"parameters", plan.parameters()},
          {"macs_per_step", plan.macs_per_step()}, {"layers", layers}};
}

void print_network(const model::NetworkPlan& plan, const model::NetworkSettings& settings) {
  // In a chain each layer takes what is above it.
  const bool takes = has_blocks(plan);
  const auto row = [&](std::vector<std::string> cells, const std::string& taken) {
    if (takes) cells.insert(cells.begin() + 2, taken);
    return cells;
  };
  std::vector<std::vector<std::string>> rows{
      row({"name", "layer", "output", "parameters", "MACs a step"}, "takes")};
  for (const auto& layer : plan.layers) {
    rows.push_back(row({layer.name, layer_text(plan, layer, settings), model::to_string(layer.output),
                        with_separators(layer.parameters), with_separators(layer.macs_per_step)},
                       taken_text(plan, layer)));
  }
  rows.push_back(
      row({"total", "", "", with_separators(plan.parameters()), with_separators(plan.macs_per_step())}, ""));
  print_line(stdout, fmt::format("input {}, {}\n", model::to_string(plan.input),
                                 counted(plan.num_classes, "class", "classes")));
  print_line(stdout, table(rows, takes ? std::vector<bool>{false, false, false, true, true, true}
                                       : std::vector<bool>{false, false, true, true, true}));
  print_line(stdout,
             fmt::format("\n{} parameters, {}MAC a step", with_prefix(static_cast<double>(plan.parameters())),
                         with_prefix(static_cast<double>(plan.macs_per_step()))));
}

/// Which stages run how on the CPU, one line for those that run alike.
void print_paths(const model::NetworkPlan& plan, const model::NetworkSettings& settings) {
  std::vector<std::pair<std::string, std::string>> lines;  // path, stages
  for (const auto& stage : train::stage_paths(plan, settings, "cpu")) {
    const std::string path = stage.refusal.empty() ? stage.path : "cannot run: " + stage.refusal;
    const auto same =
        std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.first == path; });
    if (same == lines.end()) {
      lines.emplace_back(path, stage.stage);
    } else {
      same->second += ", " + stage.stage;
    }
  }
  for (const auto& [path, stages] : lines) print_line(stdout, fmt::format("runs with {}: {}", path, stages));
}

ordered_json paths_json(const model::NetworkPlan& plan, const model::NetworkSettings& settings) {
  ordered_json paths = ordered_json::object();
  for (const auto& stage : train::stage_paths(plan, settings, "cpu")) {
    paths[stage.stage] = stage.refusal.empty() ? stage.path : "cannot run: " + stage.refusal;
  }
  return paths;
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

/// Reads all arrays, so that their checksums are compared. Throws FormatError for an array that is damaged.
/// False: the file has no checksums.
bool check_arrays(const std::string& path) {
  const auto file = formats::SafetensorsFile::open(path);
  if (!file.has_checksums()) return false;
  std::vector<char> bytes;
  for (const auto& tensor : file.tensors()) {
    bytes.resize(static_cast<std::size_t>(tensor.size_bytes));
    file.read(tensor, bytes.data());
  }
  return true;
}

/// `run_folder`: where the file was found in one, else "".
int info_model(const std::string& path, const std::string& run_folder, bool json) {
  const auto info = train::read_model_info(path);
  const auto plan = info.plan();
  const bool has_checksums = check_arrays(path);
  const auto run = run_folder.empty() ? ordered_json() : describe_run(run_folder, info.recipe);
  if (json) {
    ordered_json object = network_json(plan, info.recipe.network);
    object["file"] = path;
    object["format"] = info.format;
    object["has_checksums"] = has_checksums;
    object["dataset"] = info.recipe.data.dataset;
    object["num_steps"] = info.recipe.network.num_steps;
    object["class_names"] = info.class_names;
    object["recipe"] = train::to_toml(info.recipe);
    if (!run.is_null()) object["run"] = run;
    print_json(object);
    return kOk;
  }
  if (!run.is_null()) print_run(run_folder, run);
  print_line(stdout, fmt::format("{}: {} (recipe {}, trained on {}, T = {})\n{}", path, info.format,
                                 info.recipe.name, info.recipe.data.dataset, info.recipe.network.num_steps,
                                 info.recipe.network.structure));
  print_network(plan, info.recipe.network);
  print_line(stdout, has_checksums ? "arrays match their checksums"
                                   : "arrays are not checked: the file has no checksums");
  return kOk;
}

/// Input and classes of the recipe's data, unless the options say them: the user's own recordings need not be
/// here then.
model::NetworkPlan plan_of_recipe(const train::Recipe& recipe, const InfoOptions& options) {
  model::Shape input;
  if (options.input.empty()) {
    const auto shape = data::nominal_sample_shape(recipe.data, recipe.network.num_steps);
    input = {shape.channels, shape.height, shape.width};
  } else {
    input = parse_input(options.input);
  }
  const int classes = options.classes > 0 ? options.classes : data::nominal_num_classes(recipe.data);
  return model::plan_network(recipe.network, input, classes);
}

int info_recipe(const std::string& path, const InfoOptions& options) {
  const bool json = options.json;
  const auto recipe = train::load_recipe(path);
  const auto plan = plan_of_recipe(recipe, options);
  if (json) {
    ordered_json object = network_json(plan, recipe.network);
    object["file"] = path;
    object["name"] = recipe.name;
    object["description"] = recipe.description;
    object["dataset"] = recipe.data.dataset;
    object["num_steps"] = recipe.network.num_steps;
    object["paths"] = paths_json(plan, recipe.network);
    object["needs"] = needs_json(plan, recipe);
    object["recipe"] = train::to_toml(recipe);
    print_json(object);
    return kOk;
  }
  print_line(stdout, fmt::format("recipe {} ({})", recipe.name, path));
  if (!recipe.description.empty()) print_line(stdout, recipe.description);
  print_line(stdout, fmt::format("data {}, T = {}, {} of batches of {}\n{}", recipe.data.dataset,
                                 recipe.network.num_steps, counted(recipe.training.epochs, "epoch"),
                                 recipe.training.batch_size, recipe.network.structure));
  print_network(plan, recipe.network);
  print_paths(plan, recipe.network);
  print_needs(plan, recipe);
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
      rows.push_back({key, value.is_string() ? value.get<std::string>() : json_text(value)});
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
  const auto plan = model::plan_network(settings, parse_input(options.input),
                                        options.classes > 0 ? options.classes : kDefaultClasses);
  if (options.json) {
    print_json(network_json(plan, settings));
  } else {
    print_network(plan, settings);
    print_line(stdout, memory_line(plan, settings));
  }
  return kOk;
}

/// Options that do not apply to `what` would be passed over in silence. `used`: those that do.
void refuse_others(const InfoOptions& options, const std::string& what, const std::set<Group>& used) {
  for (const auto& [option, group] : options.groups) {
    if (option->count() == 0 || used.count(group) > 0) continue;
    throw ConfigError(fmt::format("{} does not apply to {}; leave it out", option->get_name(), what));
  }
}

/// A name that is neither a file nor a recipe and cannot be meant as a network string.
[[noreturn]] void refuse_name(const std::string& what) {
  std::string close;
  for (const auto& recipe : similar_recipes(what)) close += (close.empty() ? "" : ", ") + recipe;
  throw DataError(what + ": no such file, run folder or recipe" +
                  (close.empty() ? "" : "; did you mean the recipe " + close + "?"));
}

bool looks_like_network(const std::string& what) {
  namespace fs = std::filesystem;
  if (what.find('/') != std::string::npos || fs::path(what).has_extension()) return false;
  return model::begins_like_structure(what);
}

int info_file(const InfoOptions& options) {
  const std::string& what = options.what;
  const bool model = !formats::split_archive_path(what) && options.recording.format == "auto" &&
                     formats::detect_file(what) == formats::FileKind::kSafetensors;
  try {
    if (model) return info_model(what, "", options.json);
  } catch (const CheckpointError&) {
    // safetensors of another program: shown as data
  }
  return info_data_file(what, options.recording, options.json);
}

int run_info(const InfoOptions& options) {
  namespace fs = std::filesystem;
  const std::string& what = options.what;
  if (what.empty()) {
    refuse_others(options, "this environment", {});
    return info_environment(options.json);
  }
  std::error_code ignored;
  if (fs::is_directory(what, ignored)) {
    refuse_others(options, "a run folder", {});
    return info_model(train::find_model(what), what, options.json);
  }
  const bool is_file = formats::split_archive_path(what).has_value() || fs::exists(what, ignored);
  if (is_nir_file(what)) {
    refuse_others(options, "a NIR graph", {});
    return info_nir(what, options.json);
  }
  if (is_file && fs::path(what).extension() != ".toml") {
    refuse_others(options, "a file", {Group::kRecording});
    return info_file(options);
  }
  const std::string recipe = try_find_recipe(what);
  if (!recipe.empty()) {
    refuse_others(options, "a recipe", {Group::kInput});
    return info_recipe(recipe, options);
  }
  if (!looks_like_network(what)) refuse_name(what);
  refuse_others(options, "a network string", {Group::kInput, Group::kNetwork});
  return info_structure(options);
}

}  // namespace

void add_info(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<InfoOptions>();
  auto* command = program.add_subcommand("info", kInfoDescription);
  command
      ->add_option("what", options->what,
                   "Network string, recipe, run folder, model file, NIR graph (.nir) or data file")
      ->type_name("WHAT");
  const auto add = [&](CLI::Option* option, Group group) {
    options->groups.emplace_back(option, group);
    return option;
  };
  add(command->add_option("--input", options->input,
                          "Input of a network string, e.g. 3x32x32; of a recipe, instead of its data's"),
      Group::kInput)
      ->type_name("CxHxW");
  add(command->add_option("--classes", options->classes,
                          "Classes of a network string (default: 10); of a recipe, instead of its data's"),
      Group::kInput)
      ->check(CLI::Range(1, 1 << 20));
  add(command->add_flag("--no-bias", options->no_bias, "Of a network string: layers without biases"),
      Group::kNetwork);
  add(command->add_flag("--neunorm", options->neunorm, "Of a network string: NeuNorm between convolutions"),
      Group::kNetwork);
  const auto before = command->get_options();
  add_event_file_options(*command, options->recording);
  for (auto* option : command->get_options()) {
    if (std::find(before.begin(), before.end(), option) == before.end()) add(option, Group::kRecording);
  }
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return run_info(*options); }; });
}

}  // namespace spikeloom::app
