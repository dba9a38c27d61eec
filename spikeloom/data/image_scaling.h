#pragma once
// Images brought to the size and the channels that a network takes.
#include "spikeloom/data/settings.h"
#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::data {

/// The image with 1 or 3 channels. Grey: (299 R + 587 G + 114 B) / 1000, rounded (ITU-R BT.601); colour of
/// grey: the same in all three.
formats::Image with_channels(formats::Image image, int channels);

/// The image with `width` x `height` pixels; `resize` says what becomes of other proportions. Each side is
/// interpolated by a triangle as wide as the larger of an old and a new pixel (bilinear when it grows,
/// without aliasing when it shrinks, as Pillow's BILINEAR), in integers of 22 bits, so that the bytes are the
/// same on every machine. An image that has the size is not changed.
formats::Image with_size(const formats::Image& image, int width, int height, Resize resize);

}  // namespace spikeloom::data
