#pragma once
#include <string>

#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::runtime {

/// Reads a graph of NIR by libspikeloom_events, which is looked for beside libspikeloom_runtime, then where
/// the system's loader looks, and stays loaded. Of the C library alone: in C++ formats::read_nir() does it.
/// Throws DataError where that library is missing or of another version, and for what read_nir() refuses.
formats::NirGraph read_graph_by_library(const std::string& path);

}  // namespace spikeloom::runtime
