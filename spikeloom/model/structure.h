#pragma once
// The structure string ("128C3(Encoding)-{128C3-128C3}*2-AP2-512FC-Voting") and the layer list it stands for.
// Grammar: docs/structure.md.
#include <cstddef>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::model {

enum class LayerKind {
  kConvolution,
  kAveragePool,
  kMaxPool,
  kGlobalAveragePool,  ///< average pooling of the whole, square map
  kFullyConnected,
  kRecurrent,  ///< fully connected; its own spikes of the step before come in through further weights
  kVoting,     ///< fully connected; its spikes vote
  kReadout,    ///< fully connected, one neuron a class that does not fire: its current votes
};

/// What happens to spikes between two layers with weights.
struct Pool {
  enum Kind { kNone, kAverage, kMax } kind = kNone;
  int factor = 1;  ///< side and stride of the window, pixels; a rest at the right and bottom is dropped

  /// Whether what comes through are spikes again, of their own bits.
  bool gives_spikes() const { return kind == kMax; }
  /// Sides of the windows that are averaged; 1 where none are.
  int averaged() const { return kind == kAverage ? factor : 1; }
};
inline bool operator==(const Pool& a, const Pool& b) { return a.kind == b.kind && a.factor == b.factor; }
inline bool operator!=(const Pool& a, const Pool& b) { return !(a == b); }

/// One layer as written. Fields that a kind does not have keep the values given here.
struct LayerSpec {
  LayerKind kind = LayerKind::kConvolution;
  int features = 0;          ///< feature maps of a convolution, neurons of a fully connected layer
  int kernel = 0;            ///< side of a convolution's or pool's window, pixels
  int stride = 1;            ///< pixels; a pool's stride is its kernel
  int padding = 0;           ///< zero pixels on each side of a convolution's input
  bool encoding = false;     ///< marked "(Encoding)"
  std::size_t position = 0;  ///< byte offset of the layer in the text

  bool is_pool() const { return pool().kind != Pool::kNone; }
  /// What it does as a pool, a global one once its kernel is known.
  Pool pool() const;
  bool has_weights() const { return !is_pool(); }
  /// The last one of a network.
  bool is_last() const { return kind == LayerKind::kVoting || kind == LayerKind::kReadout; }
};

/// Same layer; where it stood in the text does not matter.
bool operator==(const LayerSpec& a, const LayerSpec& b);
inline bool operator!=(const LayerSpec& a, const LayerSpec& b) { return !(a == b); }

/// What a residual block adds.
enum class BlockKind {
  kSpikes,   ///< "{...}": the spikes that come in to those of its last layer (SEW, with ADD)
  kCurrent,  ///< "[...]": the current behind the spikes that come in to that of its last layer (MS)
};

/// Layers first..last of a structure are a residual block.
struct BlockSpec {
  BlockKind kind = BlockKind::kSpikes;
  std::size_t first = 0, last = 0;
  std::size_t position = 0;  ///< byte offset of its bracket in the text
};

/// Same block; where it stood in the text does not matter.
inline bool operator==(const BlockSpec& a, const BlockSpec& b) {
  return a.kind == b.kind && a.first == b.first && a.last == b.last;
}
inline bool operator!=(const BlockSpec& a, const BlockSpec& b) { return !(a == b); }

struct Structure {
  std::vector<LayerSpec> layers;
  std::vector<BlockSpec> blocks;  ///< in order, apart from each other; repetitions written out
};
inline bool operator==(const Structure& a, const Structure& b) {
  return a.layers == b.layers && a.blocks == b.blocks;
}
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

/// The layers of a structure string, at most 4096 of them with repetitions written out.
/// Sources: Wu et al. 2019, tables of network structures; blocks: Fang et al. 2021 (SEW), Hu et al. 2024
/// (MS); how they are written, and stride, padding, pools and repetition: ours (docs/structure.md). Throws
/// StructureError naming the column and what was expected.
Structure parse_structure(const std::string& text);

/// The shortest text that parses to `structure`: parts that equal their defaults are left out, equal blocks
/// in a row are a repetition.
std::string to_string(const Structure& structure);

/// The text of one layer, as in to_string(Structure).
std::string to_string(const LayerSpec& layer);

/// "AP2", "MP4", "" for no pool.
std::string to_string(const Pool& pool);

/// "max pooling", "average pooling", "" for no pool.
std::string name_of(const Pool& pool);

/// Whether a text begins as that of a network does: 128C3, 512FC, AP2, Voting, {.
bool begins_like_structure(const std::string& text);

/// "64C3-AP2-512FC-Voting": parts joined by "-", as the recipe key network.layers gives them.
std::string join_parts(const std::vector<std::string>& parts);

}  // namespace spikeloom::model
