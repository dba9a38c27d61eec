#include "spikeloom/kernels/cuda/augment_images.h"
#include "spikeloom/kernels/cuda/divisor.h"
#include "spikeloom/kernels/cuda/launch.h"

namespace spikeloom::kernels::cuda {
namespace {

/// factor * value + (1 - factor) * other, clamped and cut to a byte, as torchvision blends byte images.
SPIKELOOM_HOST_DEVICE inline int blend(float factor, int value, float other) {
  const float blended = factor * static_cast<float>(value) + (1.0f - factor) * other;
  return static_cast<int>(blended < 0.0f ? 0.0f : blended > 255.0f ? 255.0f : blended);
}

SPIKELOOM_HOST_DEVICE inline int grey(int red, int green, int blue) {
  return static_cast<int>(0.2989f * static_cast<float>(red) + 0.587f * static_cast<float>(green) +
                          0.114f * static_cast<float>(blue));
}

/// Batch and images, and the reading of them that all functors share.
struct Pictures {
  ImageSize size;
  const std::uint8_t* images;
  const ImageDraw* draws;

  /// The byte that crop and mirror bring to (y, x), 0 outside.
  SPIKELOOM_HOST_DEVICE int byte(const ImageDraw& draw, std::int64_t y, std::int64_t x,
                                 std::int64_t c) const {
    const std::int64_t from_y = y + draw.offset_y;
    const std::int64_t from_x = (draw.mirrored != 0 ? size.width - 1 - x : x) + draw.offset_x;
    if (from_y < 0 || from_y >= size.height || from_x < 0 || from_x >= size.width) return 0;
    return images[((draw.image * size.height + from_y) * size.width + from_x) * size.channels + c];
  }
  SPIKELOOM_HOST_DEVICE int bright_byte(const ImageDraw& draw, std::int64_t y, std::int64_t x,
                                        std::int64_t c) const {
    const int value = byte(draw, y, x, c);
    return draw.brightness != 1.0f ? blend(draw.brightness, value, 0.0f) : value;
  }
};

/// Row = sample: the mean of its grey image behind brightness; the sum of bytes is exact.
struct GreyMeans {
  using Value = std::uint64_t;
  Pictures pictures;
  Divisor by_width;
  float* means;

  SPIKELOOM_HOST_DEVICE Value partial(std::int64_t n, int lane) const {
    const ImageDraw draw = pictures.draws[n];
    const ImageSize& size = pictures.size;
    Value sum = 0;
    for (std::int64_t pixel = lane; pixel < size.height * size.width; pixel += kWarpLanes) {
      std::int64_t y = pixel;
      const std::int64_t x = by_width.split(y);
      if (size.channels == 3) {
        sum +=
            static_cast<Value>(grey(pictures.bright_byte(draw, y, x, 0), pictures.bright_byte(draw, y, x, 1),
                                    pictures.bright_byte(draw, y, x, 2)));
      } else {
        for (std::int64_t c = 0; c < size.channels; ++c) {
          sum += static_cast<Value>(pictures.bright_byte(draw, y, x, c));
        }
      }
    }
    return sum;
  }
  SPIKELOOM_HOST_DEVICE static Value add(Value lower, Value upper) { return lower + upper; }
  SPIKELOOM_HOST_DEVICE void finish(std::int64_t n, Value sum) const {
    const ImageSize& size = pictures.size;
    const std::int64_t values = size.height * size.width * (size.channels == 3 ? 1 : size.channels);
    means[n] = static_cast<float>(static_cast<double>(sum) / static_cast<double>(values));
  }
};

/// Index = output pixel.
template <class T>
struct AugmentPixels {
  Pictures pictures;
  Divisor by_width, by_height;
  const float* table;
  const float* means;  ///< nullptr: colours stay
  T* values;

  SPIKELOOM_HOST_DEVICE void operator()(std::int64_t pixel) const {
    std::int64_t n = pixel;
    const std::int64_t x = by_width.split(n), y = by_height.split(n);
    const ImageDraw draw = pictures.draws[n];
    const std::int64_t channels = pictures.size.channels;
    T* to = values + pixel * channels;
    const bool cut = y >= draw.cutout_y && y < std::int64_t{draw.cutout_y} + draw.cutout_height &&
                     x >= draw.cutout_x && x < std::int64_t{draw.cutout_x} + draw.cutout_width;
    if (means != nullptr && channels == 3 && !cut) {
      color_pixel(draw, n, y, x, to);
      return;
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      int value = 0;
      if (!cut)
        value = means != nullptr ? contrast(draw, n, pictures.bright_byte(draw, y, x, c))
                                 : pictures.byte(draw, y, x, c);
      to[c] = from_float<T>(cut ? 0.0f : table[c * 256 + value]);
    }
  }

 private:
  SPIKELOOM_HOST_DEVICE int contrast(const ImageDraw& draw, std::int64_t n, int value) const {
    return draw.contrast != 1.0f ? blend(draw.contrast, value, means[n]) : value;
  }
  SPIKELOOM_HOST_DEVICE void color_pixel(const ImageDraw& draw, std::int64_t n, std::int64_t y,
                                         std::int64_t x, T* to) const {
    int rgb[3];
    SPIKELOOM_UNROLL
    for (int c = 0; c < 3; ++c) rgb[c] = contrast(draw, n, pictures.bright_byte(draw, y, x, c));
    const auto own_grey = static_cast<float>(grey(rgb[0], rgb[1], rgb[2]));
    SPIKELOOM_UNROLL
    for (int c = 0; c < 3; ++c) {
      const int value = draw.saturation != 1.0f ? blend(draw.saturation, rgb[c], own_grey) : rgb[c];
      to[c] = from_float<T>(table[c * 256 + value]);
    }
  }
};

}  // namespace

std::int64_t augment_images_workspace(std::int64_t batch) {
  return batch * static_cast<std::int64_t>(sizeof(float));
}

template <class T>
void augment_images(const Queue& queue, const ImageSize& size, std::int64_t batch, const std::uint8_t* images,
                    const ImageDraw* draws, const float* table, bool color, T* values, void* workspace) {
  const Pictures pictures{size, images, draws};
  float* means = color ? static_cast<float*>(workspace) : nullptr;
  if (color && size.height * size.width > 0) {
    reduce_rows<kWarpLanes>(queue, "augment_images", batch, GreyMeans{pictures, Divisor(size.width), means});
  }
  for_each(queue, "augment_images", batch * size.height * size.width,
           AugmentPixels<T>{pictures, Divisor(size.width), Divisor(size.height), table, means, values});
}

template void augment_images(const Queue&, const ImageSize&, std::int64_t, const std::uint8_t*,
                             const ImageDraw*, const float*, bool, float*, void*);
template void augment_images(const Queue&, const ImageSize&, std::int64_t, const std::uint8_t*,
                             const ImageDraw*, const float*, bool, BFloat16*, void*);

}  // namespace spikeloom::kernels::cuda
