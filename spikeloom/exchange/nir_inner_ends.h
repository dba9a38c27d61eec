#pragma once
#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::exchange {

/// A flat graph (formats::flattened) without the Inputs and Outputs of the graphs that were within it:
/// whatever leads to one leads to what comes after it, so that the graph's own are left. Throws ShapeError
/// where that makes more than a million edges.
formats::NirGraph without_inner_ends(formats::NirGraph graph);

}  // namespace spikeloom::exchange
