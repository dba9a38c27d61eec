#pragma once
// Still images in files: PNG and JPEG, by their libraries.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/base/span.h"

namespace spikeloom::formats {

/// A still image in memory.
struct Image {
  int width = 0, height = 0;         ///< pixels
  int channels = 0;                  ///< 1: grey; 3: red, green, blue
  std::vector<std::uint8_t> pixels;  ///< [height, width, channels]
};

/// Pixels of the largest image that is read.
constexpr std::int64_t kMostImagePixels = std::int64_t{1} << 26;

/// Whether the bytes begin as a PNG or JPEG file does.
bool is_image(Span<const std::uint8_t> bytes);

/// The image in the bytes of a PNG or JPEG file, which is found out from its content; `name` is the file's in
/// errors. The values are those stored: no gamma, no colour profile, no orientation tag is applied. Palettes
/// become colours, 1 to 4 bits a value the full range, 16 bits the nearest of 8. Memory: the pixels, and for
/// progressive JPEG its coefficients; never more than the file's size can hold by the format's best
/// compression. Throws FormatError with file and byte offset if it is damaged, cut short, larger than
/// kMostImagePixels, has pixels that are not opaque, or is a JPEG of four colours; if it is neither of the
/// two formats.
Image decode_image(Span<const std::uint8_t> bytes, const std::string& name);

/// The same of a file. Throws also DataError if it cannot be read.
Image read_image(const std::string& path);

}  // namespace spikeloom::formats
