#include "app/info_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "app/commands.h"
#include "app/info_data_file.h"
#include "app/info_nir.h"
#include "app/info_run.h"
#include "app/network_arguments.h"
#include "app/network_memory.h"
#include "app/network_table.h"
#include "app/nir_options.h"
#include "app/output.h"
#include "app/recipe_search.h"
#include "app/training/commands.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/formats/archive.h"
#include "spikeloom/formats/detect.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/train/run/model_info.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

constexpr int kDefaultClasses = 10;

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
  print_line(stdout, fmt::format("{}: {} (recipe {}, trained on {}, T = {})\n{}", one_line(path), info.format,
                                 info.recipe.name, info.recipe.data.dataset, info.recipe.network.num_steps,
                                 info.recipe.network.structure));
  print_network(plan, info.recipe.network);
  print_line(stdout, has_checksums ? "arrays match their checksums"
                                   : "arrays are not checked: the file has no checksums");
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
      rows.push_back({key, value.is_string() ? one_line(value.get<std::string>()) : json_text(value)});
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
void refuse_others(const InfoOptions& options, const std::string& what, const std::set<InfoGroup>& used) {
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
    refuse_others(options, "a file", {InfoGroup::kRecording});
    return info_file(options);
  }
  const std::string recipe = try_find_recipe(what);
  if (!recipe.empty()) {
    refuse_others(options, "a recipe", {InfoGroup::kInput});
    return info_recipe(recipe, options);
  }
  if (!looks_like_network(what)) refuse_name(what);
  refuse_others(options, "a network string", {InfoGroup::kInput, InfoGroup::kNetwork});
  return info_structure(options);
}

}  // namespace

void add_info(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<InfoOptions>();
  auto* command = program.add_subcommand(
      "info",
      "Describe a network string, recipe, run, model or data file; without an argument, this environment");
  command
      ->add_option("what", options->what,
                   "Network string, recipe, run folder, model file, NIR graph (.nir) or data file")
      ->type_name("WHAT");
  const auto add = [&](CLI::Option* option, InfoGroup group) {
    options->groups.emplace_back(option, group);
    return option;
  };
  add(command->add_option("--input", options->input,
                          "Input of a network string, e.g. 3x32x32; of a recipe, instead of its data's"),
      InfoGroup::kInput)
      ->type_name("CxHxW");
  add(command->add_option("--classes", options->classes,
                          "Classes of a network string (default: 10); of a recipe, instead of its data's"),
      InfoGroup::kInput)
      ->check(CLI::Range(1, 1 << 20));
  add(command->add_flag("--no-bias", options->no_bias, "Of a network string: layers without biases"),
      InfoGroup::kNetwork);
  add(command->add_flag("--neunorm", options->neunorm, "Of a network string: NeuNorm between convolutions"),
      InfoGroup::kNetwork);
  const auto before = command->get_options();
  add_event_file_options(*command, options->recording);
  for (auto* option : command->get_options()) {
    if (std::find(before.begin(), before.end(), option) == before.end()) add(option, InfoGroup::kRecording);
  }
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return run_info(*options); }; });
}

}  // namespace spikeloom::app
