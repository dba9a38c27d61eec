#include "app/info_nir.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "app/nir_options.h"
#include "app/output.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::app {
namespace {

using nlohmann::ordered_json;

/// "weight [16, 2, 5, 5], groups 1": small ones with their values, those that are the same everywhere once.
std::string parameters_text(const formats::NirNode& node) {
  std::vector<std::string> parts;
  for (const auto& [name, array] : node.parameters) {
    const auto& values = array.values;
    const bool same = !values.empty() && std::all_of(values.begin(), values.end(),
                                                     [&](double value) { return value == values.front(); });
    if (same) {
      parts.push_back(fmt::format("{} {:g}", name, values.front()));
    } else if (values.size() <= 4 && array.shape.size() < 2) {
      parts.push_back(fmt::format("{} {:g}", name, fmt::join(values, "x")));
    } else {
      parts.push_back(fmt::format("{} {}", name, formats::nir_shape_text(array.shape)));
    }
  }
  if (!node.padding.empty()) parts.push_back("padding " + node.padding);
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::int64_t parameter_count(const formats::NirGraph& flat) {
  std::int64_t count = 0;
  for (const auto& node : flat.nodes) {
    for (const char* name : {"weight", "bias"}) {
      if (const auto* array = node.find(name)) count += array->size();
    }
  }
  return count;
}

ordered_json graph_json(const std::string& path, const formats::NirGraph& flat,
                        const std::vector<formats::NirNodeShapes>& shapes) {
  ordered_json nodes = ordered_json::array();
  for (std::size_t i = 0; i < flat.nodes.size(); ++i) {
    const auto& node = flat.nodes[i];
    ordered_json parameters = ordered_json::object();
    for (const auto& [name, array] : node.parameters) {
      parameters[name] = {{"shape", array.shape}};
      if (array.size() <= 4) parameters[name]["values"] = array.values;
    }
    if (!node.padding.empty()) parameters["padding"] = node.padding;
    nodes.push_back({{"name", node.name},
                     {"type", formats::nir_kind_name(node.kind)},
                     {"input", shapes[i].input},
                     {"output", shapes[i].output},
                     {"parameters", parameters}});
    if (!node.metadata.empty()) nodes.back()["metadata"] = node.metadata;
  }
  return {{"file", path},
          {"format", "NIR"},
          {"version", flat.version},
          {"parameters", parameter_count(flat)},
          {"nodes", nodes},
          {"edges", flat.edges},
          {"metadata", flat.metadata}};
}

}  // namespace

int info_nir(const std::string& path, bool json) {
  const auto flat = formats::flattened(formats::read_nir(path));
  const auto shapes = shapes_of_file(flat, path);
  if (json) {
    print_json(graph_json(path, flat, shapes));
    return kOk;
  }
  print_line(stdout, fmt::format("{}: NIR graph (version {}), {} nodes, {} edges, {} weights and biases\n",
                                 path, flat.version.empty() ? "not stated" : flat.version, flat.nodes.size(),
                                 flat.edges.size(), with_separators(parameter_count(flat))));
  std::vector<std::vector<std::string>> rows{{"name", "type", "output", "leads to", "parameters"}};
  for (std::size_t i = 0; i < flat.nodes.size(); ++i) {
    std::vector<std::string> next;
    for (const auto& [from, to] : flat.edges) {
      if (from == flat.nodes[i].name) next.push_back(to);
    }
    rows.push_back({one_line(flat.nodes[i].name), formats::nir_kind_name(flat.nodes[i].kind),
                    formats::nir_shape_text(shapes[i].output),
                    one_line(fmt::format("{}", fmt::join(next, ", "))), parameters_text(flat.nodes[i])});
  }
  print_line(stdout, table(rows, {}));
  for (const auto& [name, value] : flat.metadata)
    print_line(stdout, one_line(fmt::format("metadata {}: {}", name, value)));
  return kOk;
}

}  // namespace spikeloom::app
