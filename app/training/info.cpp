// What of `spikeloom info` needs LibTorch: how stages run on this machine, and the machine itself.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/info_command.h"
#include "app/network_arguments.h"
#include "app/network_table.h"
#include "app/output.h"
#include "app/training/commands.h"
#include "app/training/network_needs.h"
#include "spikeloom/data/describe.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/train/machine/environment.h"
#include "spikeloom/train/network/stage_paths.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

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

}  // namespace

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

}  // namespace spikeloom::app
