#include "spikeloom/model/structure.h"

#include <algorithm>

namespace spikeloom::model {
namespace {

constexpr int kMaxNumber = 65536;
constexpr std::size_t kMaxLayers = 4096;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string printable(const std::string& text) {
  std::string shown = text;
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return shown;
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  Structure parse() {
    while (true) {
      check_end();
      if (at("{") || at("[")) {
        parse_block();
      } else {
        add_layer(false);
      }
      if (at_end()) break;
      if (!take("-")) fail(position_, "expected '-' or the end, found " + found());
    }
    if (!structure_.layers.back().is_last()) {
      fail(text_.size(), "the last layer must be Voting or Readout, expected '-Voting'");
    }
    return std::move(structure_);
  }

 private:
  [[noreturn]] void fail(std::size_t position, const std::string& message) const {
    throw StructureError(message, text_, position);
  }

  bool at_end() const { return position_ == text_.size(); }

  bool at(const std::string& word) const { return text_.compare(position_, word.size(), word) == 0; }

  bool take(const std::string& word) {
    if (!at(word)) return false;
    position_ += word.size();
    return true;
  }

  std::string found() const {
    if (at_end()) return "the end";
    return "'" + printable(text_.substr(position_, 1)) + "'";
  }

  int number(int min, const std::string& what) {
    const std::size_t start = position_;
    if (at_end() || !is_digit(text_[position_])) fail(start, "expected " + what + ", found " + found());
    std::int64_t value = 0;
    for (; !at_end() && is_digit(text_[position_]); ++position_) {
      value = std::min<std::int64_t>(value * 10 + (text_[position_] - '0'), kMaxNumber + 1);
    }
    const bool leading_zero = text_[start] == '0' && position_ - start > 1;
    if (leading_zero || value < min || value > kMaxNumber) {
      fail(start, what + " is " + text_.substr(start, std::min<std::size_t>(position_ - start, 12)) +
                      ", expected a number from " + std::to_string(min) + " to " +
                      std::to_string(kMaxNumber) + " without leading zeros");
    }
    return static_cast<int>(value);
  }

  void parse_block() {
    const bool spikes = at("{");
    const std::string closing = spikes ? "}" : "]";
    BlockSpec block;
    block.kind = spikes ? BlockKind::kSpikes : BlockKind::kCurrent;
    block.first = structure_.layers.size();
    block.position = position_;
    if (block.first == 0) {
      fail(position_, "a block adds to what comes in and cannot be first, expected a layer with weights");
    }
    ++position_;
    while (true) {
      if (at("{") || at("[")) {
        fail(position_, "blocks do not nest, expected a convolution or a pool, found " + found());
      }
      add_layer(true);
      if (take(closing)) break;
      if (!take("-")) fail(position_, "expected '-' or '" + closing + "', found " + found());
    }
    block.last = structure_.layers.size() - 1;
    check_block(block);
    structure_.blocks.push_back(block);
    if (take("*")) repeat(block);
  }

  void repeat(BlockSpec block) {
    const std::size_t start = position_;
    const auto times = static_cast<std::size_t>(number(1, "the number of repetitions"));
    const std::size_t size = block.last - block.first + 1;
    if (block.first + times * size > kMaxLayers) {
      fail(start,
           "the block repeated makes more, expected at most " + std::to_string(kMaxLayers) + " layers");
    }
    for (std::size_t i = 1; i < times; ++i) {
      for (std::size_t layer = 0; layer < size; ++layer) {
        structure_.layers.push_back(structure_.layers[block.first + layer]);
      }
      block.first += size;
      block.last += size;
      structure_.blocks.push_back(block);
    }
  }

  void add_layer(bool in_block) {
    if (structure_.layers.size() == kMaxLayers) {
      fail(position_, "expected at most " + std::to_string(kMaxLayers) + " layers");
    }
    const LayerSpec layer = parse_layer();
    check_place(layer, in_block);
    structure_.layers.push_back(layer);
  }

  LayerSpec parse_layer() {
    LayerSpec layer;
    layer.position = position_;
    if (take("Voting")) {
      layer.kind = LayerKind::kVoting;
    } else if (take("Readout")) {
      layer.kind = LayerKind::kReadout;
    } else if (take("GAP")) {
      layer.kind = LayerKind::kGlobalAveragePool;
    } else if (at("AP") || at("MP")) {
      layer.kind = at("AP") ? LayerKind::kAveragePool : LayerKind::kMaxPool;
      position_ += 2;
      layer.kernel = number(1, "the side of the pool");
      layer.stride = layer.kernel;
    } else if (!at_end() && is_digit(text_[position_])) {
      layer.features = number(1, "the number of features");
      if (take("FC")) {
        layer.kind = LayerKind::kFullyConnected;
      } else if (take("RFC")) {
        layer.kind = LayerKind::kRecurrent;
      } else if (take("C")) {
        parse_convolution(layer);
      } else {
        fail(position_, "expected 'C', 'FC' or 'RFC' after the number of features, found " + found());
      }
    } else {
      fail(position_, "expected a layer (like 128C3, AP2, 512FC or Voting), found " + found());
    }
    return layer;
  }

  void parse_convolution(LayerSpec& layer) {
    layer.kind = LayerKind::kConvolution;
    layer.kernel = number(1, "the side of the kernel");
    if (take("S")) layer.stride = number(1, "the stride");
    layer.padding = layer.kernel / 2;
    const std::size_t padding_position = position_;
    if (take("P")) {
      layer.padding = number(0, "the padding");
      if (layer.padding >= layer.kernel) {
        fail(padding_position, "the padding is " + std::to_string(layer.padding) +
                                   ", expected less than the kernel, " + std::to_string(layer.kernel));
      }
    } else if (layer.kernel % 2 == 0) {
      fail(padding_position,
           "a kernel of even side has no middle, expected 'P' and a padding, found " + found());
    }
    if (at("(")) {
      if (!take("(Encoding)")) fail(position_, "expected '(Encoding)'");
      layer.encoding = true;
    }
  }

  void check_end() const {
    if (structure_.layers.empty() || !structure_.layers.back().is_last()) return;
    fail(position_ - 1, to_string(structure_.layers.back()) + " must be the last layer, expected the end");
  }

  void check_place(const LayerSpec& layer, bool in_block) const {
    const std::vector<LayerSpec>& before = structure_.layers;
    const std::size_t place = layer.position;
    const bool connected = !before.empty() && (before.back().kind == LayerKind::kFullyConnected ||
                                               before.back().kind == LayerKind::kRecurrent);
    if (layer.kind == LayerKind::kConvolution && connected) {
      fail(place, "a convolution cannot follow a fully connected layer, expected FC or Voting");
    }
    if (layer.is_pool() && connected) {
      fail(place, "a pool cannot follow a fully connected layer, expected FC or Voting");
    }
    if (layer.is_pool() && before.empty()) {
      fail(place, "a pool takes spikes and cannot be the first layer, expected a layer with weights");
    }
    if (layer.is_pool() && before.back().is_pool() && layer.pool().kind != before.back().pool().kind) {
      fail(place, "pools of different kinds in a row, expected one kind, or a convolution between them");
    }
    if (layer.encoding && !before.empty()) {
      fail(position_ - std::string("(Encoding)").size(),
           "only the first layer can be the encoding layer, expected '-'");
    }
    if (in_block && layer.kind != LayerKind::kConvolution && !layer.is_pool()) {
      fail(place, to_string(layer) + " cannot be inside a block, expected a convolution or a pool");
    }
  }

  /// The shortcut has one pool and one convolution, which stand for all of the block.
  void check_block(const BlockSpec& block) const {
    const LayerSpec* pool = nullptr;
    bool has_convolution = false;
    for (std::size_t i = block.first; i <= block.last; ++i) {
      const LayerSpec& layer = structure_.layers[i];
      has_convolution = has_convolution || layer.has_weights();
      if (!layer.is_pool()) continue;
      if (pool != nullptr && pool->pool().kind != layer.pool().kind) {
        fail(layer.position, "a block's shortcut has one kind of pool, expected the kind before it");
      }
      pool = &layer;
    }
    if (!has_convolution) fail(block.position, "a block without weights, expected a convolution in it");
    const LayerSpec& last = structure_.layers[block.last];
    if (block.kind == BlockKind::kCurrent && last.is_pool()) {
      fail(last.position,
           "a pool takes spikes and a block in [ ] ends with a current, expected the pool after ']'");
    }
  }

  const std::string& text_;
  std::size_t position_ = 0;
  Structure structure_;
};

/// Whether block `other` is block `one` once more, right behind it or behind other repetitions of it.
bool repeats(const Structure& structure, const BlockSpec& one, const BlockSpec& other, std::size_t times) {
  const std::size_t size = one.last - one.first + 1;
  if (other.kind != one.kind || other.first != one.first + times * size ||
      other.last != other.first + size - 1) {
    return false;
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (structure.layers[one.first + i] != structure.layers[other.first + i]) return false;
  }
  return true;
}

std::string block_text(const Structure& structure, const BlockSpec& block) {
  std::string text;
  for (std::size_t i = block.first; i <= block.last; ++i) {
    text += (i == block.first ? "" : "-") + to_string(structure.layers[i]);
  }
  return block.kind == BlockKind::kSpikes ? "{" + text + "}" : "[" + text + "]";
}

}  // namespace

bool operator==(const LayerSpec& a, const LayerSpec& b) {
  return a.kind == b.kind && a.features == b.features && a.kernel == b.kernel && a.stride == b.stride &&
         a.padding == b.padding && a.encoding == b.encoding;
}

Pool LayerSpec::pool() const {
  if (kind == LayerKind::kMaxPool) return {Pool::kMax, kernel};
  const bool average = kind == LayerKind::kAveragePool || kind == LayerKind::kGlobalAveragePool;
  return average ? Pool{Pool::kAverage, kernel} : Pool();
}

StructureError::StructureError(const std::string& short_message, const std::string& whole_text,
                               std::size_t offset, const std::string& in_file, int at_line,
                               const std::string& in_key)
    : ConfigError("column " + std::to_string(offset + 1) + ": " + short_message, in_file, at_line, in_key),
      position(offset),
      text(whole_text),
      message(short_message) {}

StructureError StructureError::at(const std::string& in_file, int at_line, const std::string& in_key) const {
  return StructureError(message, text, position, in_file, at_line, in_key);
}

std::string StructureError::caret() const {
  // Of a long text the part around the place, so that both lines fit a terminal and stay aligned.
  constexpr std::size_t kWidth = 78, kBefore = 48;
  const std::string gap = "...";
  std::string shown = printable(text);
  std::size_t column = position;
  if (shown.size() > kWidth && column > kBefore) {
    const std::size_t cut = std::min(column - kBefore, shown.size() - (kWidth - gap.size()));
    shown = gap + shown.substr(cut);
    column = column - cut + gap.size();
  }
  if (shown.size() > kWidth) shown = shown.substr(0, kWidth - gap.size()) + gap;
  return shown + "\n" + std::string(column, ' ') + "^";
}

Structure parse_structure(const std::string& text) { return Parser(text).parse(); }

std::string to_string(const LayerSpec& layer) {
  switch (layer.kind) {
    case LayerKind::kVoting:
      return "Voting";
    case LayerKind::kReadout:
      return "Readout";
    case LayerKind::kAveragePool:
    case LayerKind::kMaxPool:
      return to_string(layer.pool());
    case LayerKind::kGlobalAveragePool:
      return "GAP";
    case LayerKind::kFullyConnected:
      return std::to_string(layer.features) + "FC";
    case LayerKind::kRecurrent:
      return std::to_string(layer.features) + "RFC";
    case LayerKind::kConvolution:
      break;
  }
  std::string text = std::to_string(layer.features) + "C" + std::to_string(layer.kernel);
  if (layer.stride != 1) text += "S" + std::to_string(layer.stride);
  if (layer.kernel % 2 == 0 || layer.padding != layer.kernel / 2) text += "P" + std::to_string(layer.padding);
  return layer.encoding ? text + "(Encoding)" : text;
}

std::string to_string(const Structure& structure) {
  std::vector<std::string> parts;
  auto block = structure.blocks.begin();
  for (std::size_t i = 0; i < structure.layers.size(); ++i) {
    if (block == structure.blocks.end() || block->first != i) {
      parts.push_back(to_string(structure.layers[i]));
      continue;
    }
    const BlockSpec one = *block++;
    std::size_t times = 1;
    while (block != structure.blocks.end() && repeats(structure, one, *block, times)) {
      ++block;
      ++times;
    }
    parts.push_back(block_text(structure, one) + (times > 1 ? "*" + std::to_string(times) : ""));
    i = one.first + times * (one.last - one.first + 1) - 1;
  }
  return join_parts(parts);
}

std::string to_string(const Pool& pool) {
  if (pool.kind == Pool::kNone) return "";
  return (pool.kind == Pool::kMax ? "MP" : "AP") + std::to_string(pool.factor);
}

std::string name_of(const Pool& pool) {
  if (pool.kind == Pool::kNone) return "";
  return pool.kind == Pool::kMax ? "max pooling" : "average pooling";
}

bool begins_like_structure(const std::string& text) {
  for (const char* const word : {"A", "V", "R", "{", "[", "MP", "GAP"}) {
    if (text.rfind(word, 0) == 0) return true;
  }
  return !text.empty() && is_digit(text.front());
}

std::string join_parts(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : "-") + parts[i];
  return text;
}

}  // namespace spikeloom::model
