#include "spikeloom/events/scene.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "spikeloom/base/errors.h"

namespace spikeloom::events {
namespace {

void check(const GreyImage& image, const SceneSettings& settings, int sensor_width, int sensor_height) {
  const auto require = [](bool fine, const char* key, const char* range, double value) {
    if (!fine) throw ConfigError(fmt::format("must be {}, not {}", range, value), "", 0, key);
  };
  require(settings.scale > 0 && settings.scale <= 64, "scale", "above 0 and at most 64", settings.scale);
  require(settings.blur >= 0 && settings.blur <= 16, "blur", "from 0 to 16", settings.blur);
  require(settings.black > 0 && settings.black <= 1, "black", "above 0 and at most 1", settings.black);
  require(settings.gamma > 0 && settings.gamma <= 16, "gamma", "above 0 and at most 16", settings.gamma);
  if (image.width < 1 || image.height < 1 ||
      image.pixels.size() != static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height)) {
    throw ShapeError(fmt::format("an image of {} x {} has {} pixel values", image.width, image.height,
                                 image.pixels.size()));
  }
  if (sensor_width < 1 || sensor_height < 1) {
    throw ShapeError(fmt::format("a sensor of {} x {} pixels sees nothing", sensor_width, sensor_height));
  }
}

/// Convolves each of `lines` lines of `length` values, `step` apart, with a Gaussian; the ends are extended.
void blur_lines(std::vector<float>& values, int lines, std::int64_t line_step, int length, std::int64_t step,
                double deviation) {
  const int radius = static_cast<int>(std::ceil(3 * deviation));
  if (radius < 1) return;
  std::vector<double> weights;
  double sum = 0.0;
  for (int i = -radius; i <= radius; ++i) {
    weights.push_back(std::exp(-0.5 * i * i / (deviation * deviation)));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  std::vector<float> line(static_cast<std::size_t>(length));
  for (int i = 0; i < lines; ++i) {
    float* first = values.data() + i * line_step;
    for (int j = 0; j < length; ++j) line[static_cast<std::size_t>(j)] = first[j * step];
    for (int j = 0; j < length; ++j) {
      double blurred = 0.0;
      for (int k = -radius; k <= radius; ++k) {
        blurred += weights[static_cast<std::size_t>(k + radius)] *
                   static_cast<double>(line[static_cast<std::size_t>(std::clamp(j + k, 0, length - 1))]);
      }
      first[j * step] = static_cast<float>(blurred);
    }
  }
}

}  // namespace

Scene::Scene(const GreyImage& image, const SceneSettings& settings, int sensor_width, int sensor_height,
             double left, double top, int margin)
    : margin_(margin) {
  check(image, settings, sensor_width, sensor_height);
  // One more point at the ends, so that interpolation never needs to ask.
  width_ = (sensor_width + 2 * margin) * kGrid + 1;
  height_ = (sensor_height + 2 * margin) * kGrid + 1;
  std::vector<float> shown(256);
  for (int value = 0; value < 256; ++value) {
    const double level = (settings.negative ? 255 - value : value) / 255.0;
    shown[static_cast<std::size_t>(value)] =
        static_cast<float>(settings.black + (1 - settings.black) * std::pow(level, settings.gamma));
  }
  const auto size = static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_);
  light_.assign(size, shown[0]);
  // The screen's pixels are squares: each grid point shows the one that it lies in.
  const auto image_place = [&](int grid, double origin, int image_size) {
    const double sensor = static_cast<double>(grid) / kGrid - margin - origin;
    const double middle = 0.5 * (image_size - 1);
    return static_cast<std::int64_t>(std::floor((sensor - middle) / settings.scale + middle + 0.5));
  };
  for (int row = 0; row < height_; ++row) {
    const std::int64_t y = image_place(row, top, image.height);
    if (y < 0 || y >= image.height) continue;
    for (int column = 0; column < width_; ++column) {
      const std::int64_t x = image_place(column, left, image.width);
      if (x < 0 || x >= image.width) continue;
      light_[static_cast<std::size_t>(row) * static_cast<std::size_t>(width_) +
             static_cast<std::size_t>(column)] =
          shown[image.pixels[static_cast<std::size_t>(y * image.width + x)]];
    }
  }
  blur_lines(light_, height_, width_, width_, 1, settings.blur * kGrid);
  blur_lines(light_, width_, 1, height_, width_, settings.blur * kGrid);
  log_light_.resize(size);
  for (std::size_t i = 0; i < size; ++i) log_light_[i] = std::log(light_[i]);
}

}  // namespace spikeloom::events
