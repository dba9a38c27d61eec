#include "spikeloom/data/image_scaling.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace spikeloom::data {
namespace {

constexpr int kWeightBits = 22;

/// A stretch of an old side that becomes a new one, in old pixels.
struct Stretch {
  double begin = 0.0, end = 0.0;
};

/// Which old pixels make a new one, and with what weights; they add up to 1 << kWeightBits.
struct Weights {
  int first = 0;
  std::vector<std::int64_t> weights;
};

std::vector<Weights> weights_of(int old_size, const Stretch& stretch, int new_size) {
  const double scale = (stretch.end - stretch.begin) / new_size;
  const double radius = std::max(scale, 1.0);
  std::vector<Weights> all(static_cast<std::size_t>(new_size));
  for (int i = 0; i < new_size; ++i) {
    const double centre = stretch.begin + (i + 0.5) * scale;
    const int first = std::clamp(static_cast<int>(std::floor(centre - radius)), 0, old_size - 1);
    const int last = std::clamp(static_cast<int>(std::ceil(centre + radius)), first + 1, old_size);
    std::vector<double> triangle;
    double sum = 0.0;
    for (int x = first; x < last; ++x) {
      triangle.push_back(std::max(0.0, 1.0 - std::abs((x + 0.5 - centre) / radius)));
      sum += triangle.back();
    }
    Weights& weights = all[static_cast<std::size_t>(i)];
    weights.first = first;
    std::int64_t left = std::int64_t{1} << kWeightBits;
    std::size_t largest = 0;
    for (std::size_t k = 0; k < triangle.size(); ++k) {
      weights.weights.push_back(std::llround(triangle[k] / sum * (1 << kWeightBits)));
      left -= weights.weights.back();
      if (triangle[k] > triangle[largest]) largest = k;
    }
    weights.weights[largest] += left;  // a grey image stays as grey as it was
  }
  return all;
}

std::uint8_t weighted(const std::uint8_t* values, std::size_t step,
                      const std::vector<std::int64_t>& weights) {
  std::int64_t sum = std::int64_t{1} << (kWeightBits - 1);
  for (std::size_t k = 0; k < weights.size(); ++k) sum += weights[k] * values[k * step];
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> kWeightBits, 0, 255));
}

formats::Image scaled(const formats::Image& image, const Stretch& columns, const Stretch& rows, int width,
                      int height) {
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t old_row = static_cast<std::size_t>(image.width) * channels;
  const std::size_t new_row = static_cast<std::size_t>(width) * channels;
  const std::vector<Weights> across = weights_of(image.width, columns, width);
  std::vector<std::uint8_t> narrowed(static_cast<std::size_t>(image.height) * new_row);
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    for (std::size_t x = 0; x < across.size(); ++x) {
      const std::uint8_t* from =
          image.pixels.data() + y * old_row + static_cast<std::size_t>(across[x].first) * channels;
      for (std::size_t c = 0; c < channels; ++c) {
        narrowed[y * new_row + x * channels + c] = weighted(from + c, channels, across[x].weights);
      }
    }
  }
  formats::Image result{width, height, image.channels, {}};
  result.pixels.resize(static_cast<std::size_t>(height) * new_row);
  const std::vector<Weights> down = weights_of(image.height, rows, height);
  for (std::size_t y = 0; y < down.size(); ++y) {
    const std::uint8_t* from = narrowed.data() + static_cast<std::size_t>(down[y].first) * new_row;
    for (std::size_t i = 0; i < new_row; ++i) {
      result.pixels[y * new_row + i] = weighted(from + i, new_row, down[y].weights);
    }
  }
  return result;
}

/// The image in the middle of black.
formats::Image padded(const formats::Image& image, int width, int height) {
  formats::Image result{width, height, image.channels, {}};
  const auto channels = static_cast<std::size_t>(image.channels);
  result.pixels.assign(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * channels, 0);
  const auto left = static_cast<std::size_t>((width - image.width) / 2);
  const auto top = static_cast<std::size_t>((height - image.height) / 2);
  const std::size_t row = static_cast<std::size_t>(image.width) * channels;
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    std::copy_n(image.pixels.begin() + static_cast<std::ptrdiff_t>(y * row), row,
                result.pixels.begin() + static_cast<std::ptrdiff_t>(
                                            ((top + y) * static_cast<std::size_t>(width) + left) * channels));
  }
  return result;
}

/// The middle of a side of `size` that is `share` of it.
Stretch middle(int size, double share) { return {0.5 * size * (1.0 - share), 0.5 * size * (1.0 + share)}; }

}  // namespace

formats::Image with_channels(formats::Image image, int channels) {
  if (image.channels == channels) return image;
  formats::Image result{image.width, image.height, channels, {}};
  const std::size_t pixels = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  result.pixels.reserve(pixels * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    if (channels == 3) {
      result.pixels.insert(result.pixels.end(), 3, image.pixels[i]);
    } else {
      const std::uint8_t* pixel = image.pixels.data() + 3 * i;
      result.pixels.push_back(
          static_cast<std::uint8_t>((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2] + 500) / 1000));
    }
  }
  return result;
}

formats::Image with_size(const formats::Image& image, int width, int height, Resize resize) {
  if (image.width == width && image.height == height) return image;
  const Stretch all_columns{0.0, static_cast<double>(image.width)};
  const Stretch all_rows{0.0, static_cast<double>(image.height)};
  if (resize == Resize::kStretch) return scaled(image, all_columns, all_rows, width, height);
  // Old width to height against new: above 1 the image is too wide.
  const std::int64_t wide = std::int64_t{image.width} * height, tall = std::int64_t{width} * image.height;
  const double excess = static_cast<double>(wide) / static_cast<double>(tall);
  if (resize == Resize::kCrop) {
    return scaled(image, wide > tall ? middle(image.width, 1.0 / excess) : all_columns,
                  wide < tall ? middle(image.height, excess) : all_rows, width, height);
  }
  const auto side = [](double size, int most) {
    return std::clamp(static_cast<int>(std::lround(size)), 1, most);
  };
  const int inner_width = wide >= tall ? width : side(width * excess, width);
  const int inner_height = wide <= tall ? height : side(height / excess, height);
  return padded(scaled(image, all_columns, all_rows, inner_width, inner_height), width, height);
}

}  // namespace spikeloom::data
