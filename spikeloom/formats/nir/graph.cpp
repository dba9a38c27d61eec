#include "spikeloom/formats/nir/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

struct KindRow {
  NirKind kind;
  const char* name;
  std::vector<NirParameter> parameters;
};

const std::vector<KindRow>& kinds() {
  static const std::vector<KindRow> rows = {
      {NirKind::kInput, "Input", {{"shape", true}}},
      {NirKind::kOutput, "Output", {{"shape", true}}},
      {NirKind::kAffine, "Affine", {{"weight", true}, {"bias", true}}},
      {NirKind::kLinear, "Linear", {{"weight", true}}},
      {NirKind::kScale, "Scale", {{"scale", true}}},
      {NirKind::kConv1d,
       "Conv1d",
       {{"input_shape", false},
        {"weight", true},
        {"stride", true},
        {"padding", true},
        {"dilation", true},
        {"groups", true},
        {"bias", true}}},
      {NirKind::kConv2d,
       "Conv2d",
       {{"input_shape", false},
        {"weight", true},
        {"stride", true},
        {"padding", true},
        {"dilation", true},
        {"groups", true},
        {"bias", true}}},
      {NirKind::kFlatten, "Flatten", {{"start_dim", true}, {"end_dim", true}, {"input_type", false}}},
      {NirKind::kSumPool2d, "SumPool2d", {{"kernel_size", true}, {"stride", true}, {"padding", true}}},
      {NirKind::kAvgPool2d, "AvgPool2d", {{"kernel_size", true}, {"stride", true}, {"padding", true}}},
      {NirKind::kI, "I", {{"r", true}}},
      {NirKind::kIf, "IF", {{"r", true}, {"v_threshold", true}, {"v_reset", false}}},
      {NirKind::kLi, "LI", {{"tau", true}, {"r", true}, {"v_leak", true}}},
      {NirKind::kLif,
       "LIF",
       {{"tau", true}, {"r", true}, {"v_leak", true}, {"v_threshold", true}, {"v_reset", false}}},
      {NirKind::kCubaLi,
       "CubaLI",
       {{"tau_syn", true}, {"tau_mem", true}, {"r", true}, {"v_leak", true}, {"w_in", false}}},
      {NirKind::kCubaLif,
       "CubaLIF",
       {{"tau_syn", true},
        {"tau_mem", true},
        {"r", true},
        {"v_leak", true},
        {"v_threshold", true},
        {"v_reset", false},
        {"w_in", false}}},
      {NirKind::kThreshold, "Threshold", {{"threshold", true}}},
      {NirKind::kDelay, "Delay", {{"delay", true}}},
      {NirKind::kGraph, "NIRGraph", {}},
  };
  return rows;
}

const KindRow& row_of(NirKind kind) {
  return *std::find_if(kinds().begin(), kinds().end(), [&](const KindRow& row) { return row.kind == kind; });
}

/// The one node of a kind in a nested graph, by its name in there.
const NirNode& only_one(const NirNode& nested, NirKind kind) {
  const NirNode* found = nullptr;
  int count = 0;
  for (const NirNode& node : nested.graph->nodes) {
    if (node.kind != kind) continue;
    found = &node;
    ++count;
  }
  if (count == 1) return *found;
  throw ShapeError(
      fmt::format("nested graph '{}' has {} nodes of type {}, an edge leads there: one is needed",
                  nested.name, count, nir_kind_name(kind)));
}

/// The node that an edge with a nested graph at its end means, as it is called in the flat graph.
std::string end_of_edge(const NirNode& node, NirKind end) {
  if (node.kind != NirKind::kGraph) return node.name;
  return node.name + "." + end_of_edge(only_one(node, end), end);
}

void append(const NirGraph& graph, const std::string& prefix, NirGraph& flat) {
  std::unordered_map<std::string, const NirNode*> by_name;
  for (const NirNode& node : graph.nodes) {
    if (!by_name.emplace(node.name, &node).second)
      throw ShapeError(fmt::format("two nodes are called '{}{}'", prefix, node.name));
    if (node.kind == NirKind::kGraph) {
      append(*node.graph, prefix + node.name + ".", flat);
      continue;
    }
    flat.nodes.push_back(node);
    flat.nodes.back().name = prefix + node.name;
  }
  for (const auto& [from, to] : graph.edges) {
    const auto source = by_name.find(from), target = by_name.find(to);
    if (source == by_name.end() || target == by_name.end()) {
      throw ShapeError(
          fmt::format("the edge '{:.80}' -> '{:.80}' leads to a node that is not there", from, to));
    }
    flat.edges.emplace_back(prefix + end_of_edge(*source->second, NirKind::kOutput),
                            prefix + end_of_edge(*target->second, NirKind::kInput));
  }
}

}  // namespace

const char* nir_kind_name(NirKind kind) { return row_of(kind).name; }

std::optional<NirKind> nir_kind_of(const std::string& name) {
  for (const KindRow& row : kinds()) {
    if (name == row.name) return row.kind;
  }
  return std::nullopt;
}

const std::vector<NirParameter>& nir_parameters(NirKind kind) { return row_of(kind).parameters; }

const NirArray* NirNode::find(const std::string& parameter) const {
  const auto found = parameters.find(parameter);
  return found == parameters.end() ? nullptr : &found->second;
}

int NirGraph::find(const std::string& name) const {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

NirGraph flattened(const NirGraph& graph) {
  NirGraph flat;
  flat.version = graph.version;
  flat.metadata = graph.metadata;
  append(graph, "", flat);
  std::unordered_map<std::string, int> names;
  for (const NirNode& node : flat.nodes) {
    if (names[node.name]++ > 0) throw ShapeError(fmt::format("two nodes are called '{}'", node.name));
  }
  return flat;
}

}  // namespace spikeloom::formats
