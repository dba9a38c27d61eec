#pragma once
// Small graphs for tests.
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::exchange::testing {

inline formats::NirArray array(std::vector<double> values) {
  formats::NirArray result;
  result.type = formats::NirArray::Type::kFloat64;
  result.shape = {static_cast<std::int64_t>(values.size())};
  result.values = std::move(values);
  return result;
}

inline formats::NirNode node(const std::string& name, formats::NirKind kind,
                             const std::vector<std::pair<std::string, std::vector<double>>>& parameters) {
  formats::NirNode result;
  result.name = name;
  result.kind = kind;
  for (const auto& [parameter, values] : parameters) result.parameters[parameter] = array(values);
  return result;
}

/// Input, the nodes one after the other, Output; the output's shape is that of the last node's input if it is
/// elementwise.
inline formats::NirGraph chain(const std::vector<double>& input, const std::vector<formats::NirNode>& nodes) {
  formats::NirGraph graph;
  graph.nodes.push_back(node("input", formats::NirKind::kInput, {{"shape", input}}));
  for (const auto& inner : nodes) graph.nodes.push_back(inner);
  formats::NirNode output = node("output", formats::NirKind::kOutput, {{"shape", input}});
  if (nodes.size() == 1 && nodes[0].kind == formats::NirKind::kConv2d)
    output.parameters["shape"] =
        array(nodes[0].padding.empty() ? std::vector<double>{4, 3, 6} : std::vector<double>{4, 5, 6});
  graph.nodes.push_back(output);
  for (std::size_t i = 0; i + 1 < graph.nodes.size(); ++i)
    graph.edges.emplace_back(graph.nodes[i].name, graph.nodes[i + 1].name);
  return graph;
}

/// The folder that SPIKELOOM_NIR_FILES names, of graphs that the authors of NIR published; "" if there is
/// none.
inline std::string published_graphs() {
  const char* folder = std::getenv("SPIKELOOM_NIR_FILES");
  return folder != nullptr && std::filesystem::exists(std::string(folder) + "/lif_norse.nir") ? folder : "";
}

}  // namespace spikeloom::exchange::testing
