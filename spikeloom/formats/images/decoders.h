#pragma once
// Internal to formats/images: a decoder for each format.
#include <cstdint>
#include <string>

#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::formats {

Image decode_png(Span<const std::uint8_t> bytes, const std::string& name);
Image decode_jpeg(Span<const std::uint8_t> bytes, const std::string& name);

/// Throws FormatError unless 1 <= width * height <= kMostImagePixels and `decoded_bytes`, which so many
/// pixels take before compression, are at most `most_ratio` times the file.
void check_image_size(std::int64_t width, std::int64_t height, std::int64_t decoded_bytes,
                      std::int64_t most_ratio, Span<const std::uint8_t> bytes, const std::string& name);

}  // namespace spikeloom::formats
