#pragma once
// What shapes flow along the edges of a graph.
#include <vector>

#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::formats {

/// Of a node: what comes in (every edge brings the same shape, they are summed) and what goes out.
struct NirNodeShapes {
  NirShape input, output;
};

/// A window of a convolution or pooling along one axis.
struct NirWindow {
  std::int64_t size = 1, stride = 1, padding = 0, dilation = 1;
  /// Behind the input, where it differs from `padding`: "same" pads one more there if the sum is odd.
  std::int64_t padding_end = 0;
};

/// The windows of a Conv1d (one), Conv2d or pooling (height, width). Throws ShapeError for sizes that are not
/// positive, or parameters of the wrong length.
std::vector<NirWindow> nir_windows(const NirNode& node);

/// The shapes of all nodes of a graph without nested graphs, in their order, found from what nodes say of
/// themselves and from what leads to them. Throws ShapeError, naming node and shapes, for parameters that do
/// not fit together, for an edge whose ends differ, and for a node whose shape nothing tells; a node of more
/// than 2^30 values is refused.
std::vector<NirNodeShapes> nir_shapes(const NirGraph& flat);

/// "[2, 34, 34]".
std::string nir_shape_text(const NirShape& shape);

}  // namespace spikeloom::formats
