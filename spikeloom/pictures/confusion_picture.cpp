#include "spikeloom/pictures/confusion_picture.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "spikeloom/base/errors.h"

namespace spikeloom::pictures {
namespace {

constexpr std::size_t kSide = 512;
using Colour = std::array<double, 3>;
// Of the palette of Okabe and Ito.
constexpr Colour kRight{0, 114, 178}, kWrong{213, 94, 0}, kNone{200, 200, 200};

}  // namespace

formats::Image confusion_picture(const std::vector<std::vector<std::int64_t>>& counts) {
  const std::size_t classes = counts.size();
  bool square = classes > 0 && classes <= kSide;
  for (const auto& row : counts) square = square && row.size() == classes;
  if (!square) {
    throw ShapeError("a confusion matrix must be square with 1 to " + std::to_string(kSide) +
                     " classes, not of " + std::to_string(classes) + " rows");
  }
  const std::size_t cell = kSide / classes;
  formats::Image image;
  image.width = image.height = static_cast<int>(cell * classes);
  image.channels = 3;
  image.pixels.reserve(cell * classes * cell * classes * 3);
  for (std::size_t y = 0; y < cell * classes; ++y) {
    const auto& row = counts[y / cell];
    std::int64_t total = 0;
    for (const std::int64_t count : row) total += count;
    for (std::size_t x = 0; x < cell * classes; ++x) {
      const double share = total > 0 ? static_cast<double>(row[x / cell]) / static_cast<double>(total) : 0.0;
      // The root: a share of 1 % can be seen.
      const double depth = std::sqrt(std::clamp(share, 0.0, 1.0));
      const Colour& full = y / cell == x / cell ? kRight : kWrong;
      for (std::size_t c = 0; c < 3; ++c) {
        const double value = total > 0 ? 255.0 + depth * (full[c] - 255.0) : kNone[c];
        image.pixels.push_back(static_cast<std::uint8_t>(std::lround(value)));
      }
    }
  }
  return image;
}

}  // namespace spikeloom::pictures
