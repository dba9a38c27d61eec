#pragma once
// Still images and their labels in NumPy arrays.
#include <cstdint>
#include <memory>
#include <vector>

#include "spikeloom/formats/byte_source.h"

namespace spikeloom::formats {

/// Images of one size in memory.
struct ImageArray {
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  ///< [count, height, width, channels]
};

/// A .npy array of shape [N, H, W] or [N, H, W, C], C = 1 or 3, of unsigned bytes, 0 black to 255 white.
/// Memory grows with what the source really gives. Throws FormatError naming what it is instead (another
/// type, another order of axes, Fortran order), or with byte offset if it is damaged or cut short.
ImageArray read_image_array(std::unique_ptr<ByteSource> source);

/// A .npy array of integers of shape [N] or [N, 1]. Throws FormatError likewise.
std::vector<std::int64_t> read_label_array(std::unique_ptr<ByteSource> source);

}  // namespace spikeloom::formats
