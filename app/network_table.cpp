#include "app/network_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "app/output.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

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

/// As the table shows it: what follows the layer, and what a block adds.
std::string layer_text(const model::NetworkPlan& plan, const model::LayerPlan& layer,
                       const model::NetworkSettings& settings) {
  std::string text = model::to_string(layer.spec);
  if (layer.normalised) text += " + " + model::to_string(settings.norm.kind);
  for (const auto& name : added_currents(plan, layer)) text += " + current of " + name;
  if (layer.neunorm_after) text += " + NeuNorm";
  return text;
}

}  // namespace

nlohmann::ordered_json network_json(const model::NetworkPlan& plan, const model::NetworkSettings& settings) {
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

}  // namespace spikeloom::app
