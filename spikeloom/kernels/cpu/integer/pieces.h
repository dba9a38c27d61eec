#pragma once
// Images as 16-bit integers with zeros around them, a piece at a time. Internal to the products of integers.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "spikeloom/kernels/event_layer.h"

namespace spikeloom::kernels::cpu {

/// Some rows of an image that comes out, or some images, and of what comes in the frame that they see: rows +
/// kernel - 1 rows an image, output width + kernel - 1 pixels a row.
struct Piece {
  std::int64_t first_image, images;
  std::int64_t first_row, rows;  ///< of each of its images that come out
};

/// A convolution of stride 1 of integers.
struct IntegerShape {
  std::int64_t images = 0, height = 0, width = 0, channels = 0;  ///< what comes in
  std::int64_t kernel = 1, padding = 0, filters = 0;

  std::int64_t output_height() const { return height + 2 * padding - kernel + 1; }
  std::int64_t output_width() const { return width + 2 * padding - kernel + 1; }
  std::int64_t frame_width() const { return output_width() + kernel - 1; }
  /// Values of a pixel of a frame: whole pairs.
  std::int64_t pixel_values() const { return (channels + 1) / 2 * 2; }
  std::int64_t row_values() const { return frame_width() * pixel_values(); }
  std::int64_t frame_rows(const Piece& piece) const { return piece.rows + kernel - 1; }
  std::int64_t frame_values(const Piece& piece) const {
    return piece.images * frame_rows(piece) * row_values();
  }
  std::int64_t output_pixels(const Piece& piece) const { return piece.images * piece.rows * output_width(); }
};

/// Of the layer's spikes, behind their pooling.
inline IntegerShape forward_shape(const EventLayer& layer) {
  return {layer.images.num_steps * layer.images.batch,
          layer.images.pooled_height(),
          layer.images.pooled_width(),
          layer.images.channels,
          layer.kernel,
          layer.padding,
          layer.filters};
}

/// Whether every output sees all of an image: a fully connected layer, whose frames are rows of values.
inline bool sees_whole_images(const EventLayer& layer) {
  return layer.padding == 0 && layer.images.pooled_height() == layer.kernel &&
         layer.images.pooled_width() == layer.kernel;
}

/// Of the gradient of its currents.
inline IntegerShape backward_shape(const EventLayer& layer) {
  if (sees_whole_images(layer)) {
    return {layer.images.num_steps * layer.images.batch, 1, 1, layer.filters, 1, 0, layer.weight_rows()};
  }
  return {layer.images.num_steps * layer.images.batch,
          layer.output_height(),
          layer.output_width(),
          layer.filters,
          layer.kernel,
          layer.kernel - 1 - layer.padding,
          layer.images.channels};
}

/// Pixels of a piece, at least (where there are as many) and at most (but for a single row).
constexpr std::int64_t kLeastPixels = 48, kMostPixels = 1024;

/// Pieces whose frames stay in the first-level cache, or in the second-level one where that would be too few
/// pixels. They depend on the shape only.
inline std::vector<Piece> cut_into_pieces(const IntegerShape& shape, std::int64_t least = kLeastPixels) {
  constexpr std::int64_t kValues = 12 * 1024;
  const std::int64_t height = shape.output_height(), width = shape.output_width();
  std::vector<Piece> pieces;
  if (height <= 0 || width <= 0) return pieces;
  const std::int64_t image_values = (height + shape.kernel - 1) * shape.row_values();
  if ((image_values <= kValues && height * width <= kMostPixels) || height * width < least) {
    const std::int64_t together =
        std::clamp(kValues / image_values, (least + height * width - 1) / (height * width),
                   kMostPixels / (height * width));
    for (std::int64_t i = 0; i < shape.images; i += together)
      pieces.push_back({i, std::min(together, shape.images - i), 0, height});
    return pieces;
  }
  const std::int64_t most = std::min(
      std::clamp<std::int64_t>(kValues / shape.row_values() - (shape.kernel - 1), (least + width - 1) / width,
                               std::max<std::int64_t>(1, kMostPixels / width)),
      height);
  const std::int64_t parts = (height + most - 1) / most, rows = (height + parts - 1) / parts;
  for (std::int64_t i = 0; i < shape.images; ++i) {
    for (std::int64_t y = 0; y < height; y += rows) pieces.push_back({i, 1, y, std::min(rows, height - y)});
  }
  return pieces;
}

/// Spike counts of a piece: frame [images][frame rows][frame width][pixel_values].
void count_spikes(const EventLayer& layer, const IntegerShape& shape, const std::uint8_t* spikes,
                  const Piece& piece, std::int16_t* frame);

}  // namespace spikeloom::kernels::cpu
