#include "spikeloom/report/page/drawing.h"

#include <fmt/format.h>

#include <algorithm>

#include "spikeloom/base/text.h"
#include "spikeloom/formats/html_text.h"

namespace spikeloom::report {
namespace {

constexpr int kWidth = 460, kBoxLeft = 70, kBoxWidth = 300, kRow = 48, kBoxHeight = 34, kTop = 6;

int top_of(int row) { return kTop + row * kRow; }
int middle_of(int row) { return top_of(row) + kBoxHeight / 2; }
/// The row of a layer; the input is row 0.
int row_of(int layer) { return layer + 1; }

std::string box(int row, const char* kind, const std::string& title, const std::string& detail) {
  return fmt::format(
      "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/>"
      "<text x=\"{}\" y=\"{}\">{}</text><text class=\"detail\" x=\"{}\" y=\"{}\" "
      "text-anchor=\"end\">{}</text>\n",
      kind, kBoxLeft, top_of(row), kBoxWidth, kBoxHeight, kBoxLeft + 10, middle_of(row) + 4,
      formats::html_escaped(title), kBoxLeft + kBoxWidth - 10, middle_of(row) + 4,
      formats::html_escaped(detail));
}

std::string straight(int row) {
  const int x = kBoxLeft + kBoxWidth / 2;
  return fmt::format("<path class=\"link\" d=\"M{} {}V{}\" marker-end=\"url(#arrow)\"/>\n", x,
                     top_of(row - 1) + kBoxHeight, top_of(row) - 2);
}

/// From one row to a later one around those between; currents that are added on the left, spikes on the
/// right.
std::string arc(int from, int to, bool current) {
  const int reach = std::min(60, 18 + 6 * (to - from));
  const int x = current ? kBoxLeft : kBoxLeft + kBoxWidth, out = current ? x - reach : x + reach;
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
  const std::string described =
      fmt::format("{} layers with {} parameters, from an input of {} to {} classes", plan.layers.size(),
                  with_separators(plan.parameters()), to_string(plan.input), plan.num_classes);
  std::string svg = fmt::format(
      "<svg class=\"network\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"{}\"><title>{}</title><defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" "
      "refY=\"4\" "
      "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n",
      kWidth, top_of(rows - 1) + kBoxHeight + kTop, described, described);
  svg += box(0, "end", "input", to_string(plan.input));
  for (int i = 0; i < static_cast<int>(plan.layers.size()); ++i) {
    const auto& layer = plan.layers[static_cast<std::size_t>(i)];
    const bool pool = layer.spec.is_pool();
    const char* const kind = pool ? "pool" : layer.has_neurons ? "spiking" : "linear";
    std::string detail = to_string(layer.output);
    if (layer.parameters > 0) detail += fmt::format("  {}", with_separators(layer.parameters));
    svg += box(row_of(i), kind, layer.name + "  " + notation_of(layer), detail);
    if (pool) svg += straight(row_of(i));
    for (const auto& source : layer.sources) {
      if (!follows(plan, source.layer, i)) {
        svg += arc(row_of(source.layer), row_of(i), false);
      } else if (!pool) {
        svg += straight(row_of(i));
      }
    }
    for (const int source : layer.shortcuts) svg += arc(row_of(source), row_of(i), true);
  }
  svg += box(rows - 1, "end", "classes", std::to_string(plan.num_classes)) + straight(rows - 1);
  return svg + "</svg>";
}

}  // namespace spikeloom::report
