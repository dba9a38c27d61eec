#pragma once
#include <string>

#include "spikeloom/formats/nir/graph.h"

namespace spikeloom::formats {

/// Reads a graph of the Neuromorphic Intermediate Representation, versions 0.1 to 1.x: contiguous, chunked
/// and deflated data sets, texts of fixed and of variable length. Nothing but hard links is followed, and
/// each group and data set may be linked once. Memory is bounded by what is stored (1100 times its bytes, as
/// deflate allows) and 2^28 numbers in all. Throws DataError if the file cannot be opened; FormatError, with
/// the place in the file, if it is no HDF5 file, cut off, no NIR graph, of a later version, has a node or a
/// parameter that is not known, or parameters that do not fit together (nir_shapes).
NirGraph read_nir(const std::string& path);

}  // namespace spikeloom::formats
