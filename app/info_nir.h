#pragma once
#include <string>

namespace spikeloom::app {

/// Prints nodes, shapes, parameters and edges of a graph. Throws what formats::read_nir throws.
int info_nir(const std::string& path, bool json);

}  // namespace spikeloom::app
