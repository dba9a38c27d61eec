#include "spikeloom/report/page/drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "spikeloom/base/text.h"
#include "spikeloom/formats/html_text.h"

namespace spikeloom::report {
namespace {

constexpr int kBoxWidth = 300, kRow = 60, kBoxHeight = 46, kTop = 6, kInside = 10;
constexpr int kPlain = 4, kWithArcs = 70;  // beside the boxes
constexpr int kLetter = 8;                 // as wide as any of these texts' is on average, at 13 px

int top_of(int row) { return kTop + row * kRow; }
int middle_of(int row) { return top_of(row) + kBoxHeight / 2; }
/// The row of a layer; the input is row 0.
int row_of(int layer) { return layer + 1; }

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }

int length_of(const std::string& text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), begins_character));
}

/// At most so many characters (of UTF-8), the last of them "…" where some are left out.
std::string shortened(const std::string& text, int most) {
  if (length_of(text) <= most) return text;
  std::size_t end = 0;
  for (int count = 0; end < text.size(); ++end)
    if (begins_character(text[end]) && ++count == std::max(1, most)) break;
  return text.substr(0, end) + "…";
}

struct Texts {
  std::string left, right;
};

/// A box with two lines; a text on the left that has no room beside that on the right is shortened.
std::string box(int row, int left, const char* kind, const Texts& upper, const Texts& lower) {
  std::string svg = fmt::format(
      "<g><title>{}</title><rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" "
      "height=\"{}\" rx=\"6\"/>",
      formats::html_escaped(upper.left + " " + lower.left), kind, left, top_of(row), kBoxWidth, kBoxHeight);
  const auto line = [&](const Texts& texts, int y, const char* of_line) {
    const int letters = (kBoxWidth - 2 * kInside) / kLetter - 1 - length_of(texts.right);
    svg += fmt::format("<text{} x=\"{}\" y=\"{}\">{}</text>", of_line, left + kInside, y,
                       formats::html_escaped(shortened(texts.left, letters)));
    if (texts.right.empty()) return;
    svg += fmt::format("<text class=\"detail\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                       left + kBoxWidth - kInside, y, formats::html_escaped(texts.right));
  };
  const bool two = !lower.left.empty() || !lower.right.empty();
  line(upper, middle_of(row) + (two ? -4 : 4), "");
  if (two) line(lower, middle_of(row) + 14, " class=\"detail\"");
  return svg + "</g>\n";
}

std::string straight(int row, int left) {
  const int x = left + kBoxWidth / 2;
  return fmt::format("<path class=\"link\" d=\"M{} {}V{}\" marker-end=\"url(#arrow)\"/>\n", x,
                     top_of(row - 1) + kBoxHeight, top_of(row) - 2);
}

/// From one row to a later one around those between; currents that are added on the left, spikes on the
/// right.
std::string arc(int from, int to, int left, bool current) {
  const int reach = std::min(60, 18 + 6 * (to - from));
  const int x = current ? left : left + kBoxWidth, out = current ? x - reach : x + reach;
  return fmt::format("<path class=\"{}\" d=\"M{} {}C{} {} {} {} {} {}\" marker-end=\"url(#arrow)\"/>\n",
                     current ? "skip current" : "skip", x, middle_of(from), out, middle_of(from), out,
                     middle_of(to), current ? x - 2 : x + 2, middle_of(to));
}

/// Whether nothing but pools lies between the two.
bool follows(const model::NetworkPlan& plan, int source, int layer) {
  for (int i = source + 1; i < layer; ++i)
    if (!plan.layers[static_cast<std::size_t>(i)].spec.is_pool()) return false;
  return true;
}

}  // namespace

std::string notation_of(const model::LayerPlan& layer) {
  return layer.is_shortcut ? "1x1 projection" : model::to_string(layer.spec);
}

std::string draw_network(const model::NetworkPlan& plan) {
  const int rows = static_cast<int>(plan.layers.size()) + 2;
  // First the lines, so that it is known whether arcs need room beside the boxes.
  struct Line {
    int from, to;
    bool current;
  };
  std::vector<Line> arcs;
  std::vector<int> steps;
  for (int i = 0; i < static_cast<int>(plan.layers.size()); ++i) {
    const auto& layer = plan.layers[static_cast<std::size_t>(i)];
    const bool pool = layer.spec.is_pool();
    if (pool) steps.push_back(row_of(i));
    for (const auto& source : layer.sources) {
      if (!follows(plan, source.layer, i)) {
        arcs.push_back({row_of(source.layer), row_of(i), false});
      } else if (!pool) {
        steps.push_back(row_of(i));
      }
    }
    for (const int source : layer.shortcuts) arcs.push_back({row_of(source), row_of(i), true});
  }
  steps.push_back(rows - 1);
  const int left = arcs.empty() ? kPlain : kWithArcs;
  const std::string described =
      fmt::format("{} layers with {} parameters, from an input of {} to {} classes", plan.layers.size(),
                  with_separators(plan.parameters()), to_string(plan.input), plan.num_classes);
  std::string svg = fmt::format(
      "<svg class=\"network\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" viewBox=\"0 0 {} {}\" "
      "role=\"img\" "
      "aria-label=\"{}\"><title>{}</title><defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" "
      "refY=\"4\" "
      "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
      (2 * left + kBoxWidth) * 5 / 4, 2 * left + kBoxWidth, top_of(rows - 1) + kBoxHeight + kTop, described,
      described);
  svg += box(0, left, "end", {"input", to_string(plan.input)}, {});
  for (int i = 0; i < static_cast<int>(plan.layers.size()); ++i) {
    const auto& layer = plan.layers[static_cast<std::size_t>(i)];
    const char* const kind = layer.spec.is_pool() ? "pool" : layer.has_neurons ? "spiking" : "linear";
    svg += box(row_of(i), left, kind, {layer.name, to_string(layer.output)},
               {notation_of(layer), layer.parameters > 0 ? with_separators(layer.parameters) : ""});
  }
  svg += box(rows - 1, left, "end", {"classes", std::to_string(plan.num_classes)}, {});
  for (const int row : steps) svg += straight(row, left);
  for (const Line& line : arcs) svg += arc(line.from, line.to, left, line.current);
  return svg + "</svg>";
}

}  // namespace spikeloom::report
