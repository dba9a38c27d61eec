#pragma once
// The paper's structure string ("128C3(Encoding)-AP2-...-512FC-Voting") and the layer list it stands for.
// Grammar: docs/structure.md.
#include <cstddef>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::model {

enum class LayerKind { kConvolution, kAveragePool, kFullyConnected, kVoting };

/// One layer as written. Fields that a kind does not have keep the values given here.
struct LayerSpec {
  LayerKind kind = LayerKind::kConvolution;
  int features = 0;          ///< feature maps of a convolution, neurons of a fully connected layer
  int kernel = 0;            ///< side of a convolution's or pool's window, pixels
  int stride = 1;            ///< pixels; a pool's stride is its kernel
  int padding = 0;           ///< zero pixels on each side of a convolution's input
  bool encoding = false;     ///< marked "(Encoding)"
  std::size_t position = 0;  ///< byte offset of the layer in the text

  /// Convolution, fully connected or voting: a layer with weights and neurons.
  bool has_weights() const { return kind != LayerKind::kAveragePool; }
};

/// Same layer; where it stood in the text does not matter.
bool operator==(const LayerSpec& a, const LayerSpec& b);
inline bool operator!=(const LayerSpec& a, const LayerSpec& b) { return !(a == b); }

struct Structure {
  std::vector<LayerSpec> layers;
};
inline bool operator==(const Structure& a, const Structure& b) { return a.layers == b.layers; }
inline bool operator!=(const Structure& a, const Structure& b) { return !(a == b); }

/// A structure or shape string that cannot be used. what() is one line: the message, the column (from 1) and
/// what was expected.
struct StructureError : ConfigError {
  StructureError(const std::string& message, const std::string& whole_text, std::size_t offset,
                 const std::string& file = "", int line = 0, const std::string& key = "");

  /// The same error, said to be found in `file` at `line` under `key`.
  StructureError at(const std::string& file, int line, const std::string& key) const;

  /// Two lines of at most 79 columns: the text (bytes that are not printable ASCII shown as '?'; of a long
  /// text the part around the place) and a ^ under the offending column.
  std::string caret() const;

  std::size_t position;  ///< byte offset in text; text.size() where something is missing at the end
  std::string text;
  std::string message;  ///< what() without file, line, key and column
};

/// The layers of a structure string.
/// Source: Wu et al. 2019, tables of network structures; stride, padding: ours (docs/structure.md).
/// Throws StructureError naming the column and what was expected.
Structure parse_structure(const std::string& text);

/// The shortest text that parses to `structure`: parts that equal their defaults are left out.
std::string to_string(const Structure& structure);

/// The text of one layer, as in to_string(Structure).
std::string to_string(const LayerSpec& layer);

}  // namespace spikeloom::model
