#pragma once
// PNG and JPEG files and NumPy arrays for tests.
#include <cstdint>
#include <string>
#include <vector>

#include "made_sets.h"

namespace spikeloom::data {

/// A PNG file. pixels: [height, width, channels], 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha.
Bytes png_bytes(int width, int height, int channels, const Bytes& pixels);
/// A JPEG file of the best quality; 1 or 3 channels, 4: CMYK.
Bytes jpeg_bytes(int width, int height, int channels, const Bytes& pixels, bool progressive = false);
/// A .npy file, version 1.0; descr as in "|u1".
Bytes npy_bytes(const std::string& descr, const std::vector<std::int64_t>& shape, const Bytes& data,
                bool fortran_order = false);
/// A zip archive whose members are stored.
Bytes zip_bytes(const std::vector<std::pair<std::string, Bytes>>& members);

}  // namespace spikeloom::data
