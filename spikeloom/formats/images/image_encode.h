#pragma once
// Images as bytes of files: PNG, and GIF for pictures that move.
#include <cstdint>
#include <vector>

#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::formats {

/// A whole PNG file of an image of 1 or 3 channels; decode_image() gives back every pixel. Throws ShapeError
/// if its pixels are not width x height x channels.
std::vector<std::uint8_t> encode_png(const Image& image);

/// A GIF that shows the images one behind the other, each for delay_ms (in steps of 10), again and again.
/// Lossless. Throws ShapeError unless they have one size, and 256 colours or fewer together.
std::vector<std::uint8_t> encode_gif(const std::vector<Image>& frames, int delay_ms);

/// Throws ShapeError as encode_png().
void check_encodable(const Image& image);

}  // namespace spikeloom::formats
