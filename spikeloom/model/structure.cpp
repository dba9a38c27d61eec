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
    Structure structure;
    while (true) {
      check_order(structure.layers);
      LayerSpec layer = parse_layer();
      check_place(structure.layers, layer);
      structure.layers.push_back(layer);
      if (at_end()) break;
      if (!take("-")) fail(position_, "expected '-' or the end, found " + found());
    }
    if (structure.layers.back().kind != LayerKind::kVoting) {
      fail(text_.size(), "the last layer must be Voting, expected '-Voting'");
    }
    return structure;
  }

 private:
  [[noreturn]] void fail(std::size_t position, const std::string& message) const {
    throw StructureError(message, text_, position);
  }

  bool at_end() const { return position_ == text_.size(); }

  bool take(const std::string& word) {
    if (text_.compare(position_, word.size(), word) != 0) return false;
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

  LayerSpec parse_layer() {
    LayerSpec layer;
    layer.position = position_;
    if (take("Voting")) {
      layer.kind = LayerKind::kVoting;
    } else if (take("AP")) {
      layer.kind = LayerKind::kAveragePool;
      layer.kernel = number(1, "the side of the pool");
      layer.stride = layer.kernel;
    } else if (!at_end() && is_digit(text_[position_])) {
      layer.features = number(1, "the number of features");
      if (take("FC")) {
        layer.kind = LayerKind::kFullyConnected;
      } else if (take("C")) {
        parse_convolution(layer);
      } else {
        fail(position_, "expected 'C' or 'FC' after the number of features, found " + found());
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
    if (text_.compare(position_, 1, "(") == 0) {
      if (!take("(Encoding)")) fail(position_, "expected '(Encoding)'");
      layer.encoding = true;
    }
  }

  void check_order(const std::vector<LayerSpec>& before) const {
    if (before.size() == kMaxLayers) {
      fail(position_, "expected at most " + std::to_string(kMaxLayers) + " layers");
    }
    if (!before.empty() && before.back().kind == LayerKind::kVoting) {
      fail(position_ - 1, "Voting must be the last layer, expected the end");
    }
  }

  void check_place(const std::vector<LayerSpec>& before, const LayerSpec& layer) const {
    const bool connected = !before.empty() && before.back().kind == LayerKind::kFullyConnected;
    if (layer.kind == LayerKind::kConvolution && connected) {
      fail(layer.position, "a convolution cannot follow a fully connected layer, expected FC or Voting");
    }
    if (layer.kind == LayerKind::kAveragePool && connected) {
      fail(layer.position, "a pool cannot follow a fully connected layer, expected FC or Voting");
    }
    if (layer.kind == LayerKind::kAveragePool && before.empty()) {
      fail(layer.position,
           "a pool averages spikes and cannot be the first layer, expected a layer with weights");
    }
    if (layer.encoding && !before.empty()) {
      fail(position_ - std::string("(Encoding)").size(),
           "only the first layer can be the encoding layer, expected '-'");
    }
  }

  const std::string& text_;
  std::size_t position_ = 0;
};

}  // namespace

bool operator==(const LayerSpec& a, const LayerSpec& b) {
  return a.kind == b.kind && a.features == b.features && a.kernel == b.kernel && a.stride == b.stride &&
         a.padding == b.padding && a.encoding == b.encoding;
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
    case LayerKind::kAveragePool:
      return "AP" + std::to_string(layer.kernel);
    case LayerKind::kFullyConnected:
      return std::to_string(layer.features) + "FC";
    case LayerKind::kConvolution:
      break;
  }
  std::string text = std::to_string(layer.features) + "C" + std::to_string(layer.kernel);
  if (layer.stride != 1) text += "S" + std::to_string(layer.stride);
  if (layer.kernel % 2 == 0 || layer.padding != layer.kernel / 2) text += "P" + std::to_string(layer.padding);
  return layer.encoding ? text + "(Encoding)" : text;
}

std::string to_string(const Structure& structure) {
  std::string text;
  for (const LayerSpec& layer : structure.layers) {
    if (!text.empty()) text += "-";
    text += to_string(layer);
  }
  return text;
}

}  // namespace spikeloom::model
