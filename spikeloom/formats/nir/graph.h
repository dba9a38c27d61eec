#pragma once
// A graph of the Neuromorphic Intermediate Representation (Pedersen et al., Nature Communications 2024) as
// data.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace spikeloom::formats {

using NirShape = std::vector<std::int64_t>;

/// The numbers of a parameter, row-major; without dimensions (a scalar) it has one value.
struct NirArray {
  enum class Type { kFloat32, kFloat64, kInt64, kBool };
  Type type = Type::kFloat32;  ///< how a file stores it
  NirShape shape;
  std::vector<double> values;

  bool is_scalar() const { return shape.empty(); }
  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
};

enum class NirKind {
  kInput,
  kOutput,
  kAffine,
  kLinear,
  kScale,
  kConv1d,
  kConv2d,
  kFlatten,
  kSumPool2d,
  kAvgPool2d,
  kI,
  kIf,
  kLi,
  kLif,
  kCubaLi,
  kCubaLif,
  kThreshold,
  kDelay,
  kGraph,
};

/// A parameter that nodes of a kind have.
struct NirParameter {
  const char* name;
  bool required;
};

/// "LIF" of kLif: the type as files have it.
const char* nir_kind_name(NirKind kind);
/// Nullopt for a type that is not known.
std::optional<NirKind> nir_kind_of(const std::string& name);
/// The parameters of a kind, without "type", "metadata" and what a nested graph has.
const std::vector<NirParameter>& nir_parameters(NirKind kind);

struct NirGraph;

struct NirNode {
  std::string name;
  NirKind kind = NirKind::kInput;
  /// By name, as NIR has them. Time constants and delays in seconds. Weights: Affine, Linear [out, in];
  /// Conv1d [F, C / groups, k]; Conv2d [F, C / groups, kh, kw].
  std::map<std::string, NirArray> parameters;
  std::string padding;  ///< "same" or "valid" of a convolution; "": the numbers of parameter "padding"
  std::map<std::string, std::string> metadata;
  std::shared_ptr<NirGraph> graph;  ///< of kGraph

  const NirArray* find(const std::string& parameter) const;
};

struct NirGraph {
  std::string version;  ///< of the `nir` package that wrote the file, "1.0.6"; "" of a nested graph
  std::vector<NirNode> nodes;
  std::vector<std::pair<std::string, std::string>> edges;  ///< (from, to), names of nodes
  std::map<std::string, std::string> metadata;

  /// Position in `nodes`, or -1.
  int find(const std::string& name) const;
};

/// The graph without nested ones: their nodes are called "OUTER.INNER", an edge to a nested graph leads to
/// its Input, one from it comes from its Output. Throws ShapeError for an edge whose node is missing or a
/// name that occurs twice, and where a nested graph that an edge leads to (from) has not exactly one Input
/// (Output).
NirGraph flattened(const NirGraph& graph);

}  // namespace spikeloom::formats
