#pragma once
// A still image as the sensor sees it: light on each point of the focal plane.
#include <cstdint>
#include <vector>

namespace spikeloom::events {

/// A grey image, row-major, 0 black to 255 white.
struct GreyImage {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  ///< [height, width]
};

/// How the image is shown and seen.
struct SceneSettings {
  double scale = 1.0;     ///< sensor pixels an image pixel, > 0; the centre of the image stays where it is
  double blur = 0.7;      ///< standard deviation of the lens' and the pixel area's blur, sensor pixels, >= 0
  double black = 0.1;     ///< light of black as a share of white's, in (0, 1]: what makes the contrast
  double gamma = 1.0;     ///< light = black + (1 - black) * (value / 255)^gamma, > 0
  bool negative = false;  ///< shown as a negative: 255 - value in place of value
};

/// Light on the focal plane around an image, relative to white, on a grid kGrid times as fine as the sensor.
/// Around the image it is as light as value 0 is shown.
class Scene {
 public:
  static constexpr int kGrid = 4;

  /// left, top: sensor coordinates (pixel centres are whole numbers) of the image's top left pixel, for an
  /// image at scale 1. The grid covers the sensor and `margin` pixels around it. Throws ConfigError for
  /// settings outside the ranges given there, ShapeError unless the image has width * height pixels, more
  /// than none, and sensor sizes are positive.
  Scene(const GreyImage& image, const SceneSettings& settings, int sensor_width, int sensor_height,
        double left, double top, int margin);

  /// Values of a row of the grid.
  int stride() const { return width_; }
  int rows() const { return height_; }
  /// Light, in [black, 1].
  const std::vector<float>& light() const { return light_; }
  /// Natural logarithm of it.
  const std::vector<float>& log_light() const { return log_light_; }
  /// Index of the grid point on the centre of a sensor pixel.
  std::int64_t index_of(int x, int y) const {
    return (std::int64_t{y} + margin_) * kGrid * width_ + (std::int64_t{x} + margin_) * kGrid;
  }

 private:
  int margin_, width_, height_;
  std::vector<float> light_, log_light_;
};

}  // namespace spikeloom::events
