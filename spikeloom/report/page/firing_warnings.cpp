#include "spikeloom/report/page/firing_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace spikeloom::report {
namespace {

constexpr double kSilent = 1e-6, kSaturated = 0.95;

/// "Layers a, b and c"; of many the first.
std::string named(const std::vector<std::string>& layers) {
  constexpr std::size_t kMost = 8;
  std::string text = layers.size() == 1 ? "Layer " : "Layers ";
  const std::size_t shown = layers.size() > kMost ? kMost - 1 : layers.size();
  for (std::size_t i = 0; i < shown; ++i)
    text += (i == 0 ? "" : i + 1 == layers.size() ? " and " : ", ") + layers[i];
  return text + (shown < layers.size() ? fmt::format(" and {} more", layers.size() - shown) : "");
}

}  // namespace

std::vector<std::string> firing_warnings(const RunRecord& run, const RunDetails& details) {
  std::vector<std::pair<std::string, double>> rates;
  const auto& points = run.epochs.empty() || run.epochs.back().firing_rates.empty() ? run.steps : run.epochs;
  const std::string when = &points == &run.epochs ? "in the last epoch" : "at the last iterations";
  if (!points.empty()) {
    const auto& of_layers = points.back().firing_rates;
    for (std::size_t i = 0; i < std::min(of_layers.size(), run.layers.size()); ++i)
      if (std::isfinite(of_layers[i])) rates.emplace_back(run.layers[i], of_layers[i]);
  }
  const bool trained = !rates.empty();
  if (!trained && details.observations) {
    for (const LayerObservation& layer : details.observations->layers)
      if (layer.fires) rates.emplace_back(layer.name, layer.firing_rate);
  }
  std::vector<std::string> silent, saturated;
  for (const auto& [layer, rate] : rates) {
    if (rate < kSilent) silent.push_back(layer);
    if (rate > kSaturated) saturated.push_back(layer);
  }
  const std::string where = " (" + (trained ? when : "in the samples") + ")";
  std::vector<std::string> warnings;
  if (!silent.empty()) {
    const bool one = silent.size() == 1;
    const std::string what =
        silent.size() == rates.size()
            ? "No layer fires" + where + ", so nothing reaches the votes and nothing is learned"
            : named(silent) + (one ? " does" : " do") + " not fire" + where +
                  (one ? ", so it passes nothing on and does" : ", so they pass nothing on and do") +
                  " not learn";
    warnings.push_back(what +
                       ": raise init.gain, use init.scheme = \"calibrated\" or lower neuron.v_threshold.");
  }
  if (!saturated.empty()) {
    const bool one = saturated.size() == 1;
    warnings.push_back(named(saturated) + (one ? " fires" : " fire") + " at nearly every step" + where +
                       ", so " + (one ? "it carries" : "they carry") +
                       " no information: lower init.gain, use init.scheme = \"calibrated\" or raise "
                       "neuron.v_threshold.");
  }
  return warnings;
}

}  // namespace spikeloom::report
