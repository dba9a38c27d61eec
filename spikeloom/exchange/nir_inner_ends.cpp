#include "spikeloom/exchange/nir_inner_ends.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::exchange {

/// Input and Output of graphs within the graph only hand on: whoever leads to one leads to what comes after
/// it.
formats::NirGraph without_inner_ends(formats::NirGraph graph) {
  const auto is_inner_end = [&](const formats::NirNode& node) {
    const bool input = node.kind == formats::NirKind::kInput;
    if (!input && node.kind != formats::NirKind::kOutput) return false;
    return std::any_of(graph.edges.begin(), graph.edges.end(),
                       [&](const auto& edge) { return (input ? edge.second : edge.first) == node.name; });
  };
  for (std::size_t i = 0; i < graph.nodes.size();) {
    if (!is_inner_end(graph.nodes[i])) {
      ++i;
      continue;
    }
    const std::string name = graph.nodes[i].name;
    graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    std::vector<std::string> before, after;
    decltype(graph.edges) edges;
    for (const auto& edge : graph.edges) {
      if (edge.second == name && edge.first != name) before.push_back(edge.first);
      if (edge.first == name && edge.second != name) after.push_back(edge.second);
      if (edge.first != name && edge.second != name) edges.push_back(edge);
    }
    constexpr std::size_t kMostEdges = 1000000;
    if (before.size() * after.size() > kMostEdges - std::min(kMostEdges, edges.size())) {
      throw ShapeError("graphs within the graph make more than 1,000,000 edges at '" + name + "'");
    }
    for (const std::string& from : before)
      for (const std::string& to : after) edges.emplace_back(from, to);
    graph.edges = std::move(edges);
  }
  return graph;
}

}  // namespace spikeloom::exchange
