#pragma once
#include <string>

#include "spikeloom/model/plan.h"

namespace spikeloom::report {

/// A network as an SVG drawing, from the input down to the classes: a box a layer with its notation, output
/// shape and parameters; lines to what it takes, those that skip layers as arcs at the side. Colours are
/// classes (layer, skip), for the page's style sheet. Texts are escaped.
std::string draw_network(const model::NetworkPlan& plan);

/// The notation of a layer: "64C3", "AP2", "shortcut".
std::string notation_of(const model::LayerPlan& layer);

}  // namespace spikeloom::report
