#pragma once
#include <string>

#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::formats {

/// The version of the `nir` package whose layout write_nir writes, unless the graph names another one.
constexpr const char* kNirVersion = "1.0.6";

/// Writes a graph as the `nir` package reads it: arrays deflated, texts of variable length, optional
/// parameters left out where the graph has none. Atomic: another name, then renamed. Throws ShapeError for a
/// graph that nir_shapes() refuses, or a name that HDF5 cannot have (empty, ".", with '/'); DataError if it
/// cannot be written.
void write_nir(const std::string& path, const NirGraph& graph);

}  // namespace spikeloom::formats
