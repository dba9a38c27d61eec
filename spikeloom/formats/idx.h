#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::formats {

/// The content of an IDX file: MNIST's images [n, 28, 28] and labels [n], row-major.
struct IdxArray {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> values;
};

/// Reads an IDX file of unsigned bytes, plain or gzip-compressed (told apart by content, not by name).
///   byte 0-1  zero      byte 2  0x08 = unsigned byte      byte 3  number of dimensions, 1 or more
///   then one big-endian uint32 a dimension, then the values and nothing else
/// No more is inflated than the header announces and one byte.
/// Throws FormatError for any other content (offsets count in the inflated bytes where the file is compressed
/// and the compression itself is sound), DataError if the file cannot be read. Source: Y. LeCun, C. Cortes,
/// C. Burges, "The MNIST database", file formats; RFC 1952 (gzip).
IdxArray read_idx(const std::string& path);

}  // namespace spikeloom::formats
