#include "spikeloom/pictures/raster_picture.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::pictures {
namespace {

constexpr std::int64_t kMostRows = 48, kMostSteps = 512, kRowHeight = 8, kWidest = 32;
constexpr std::array<std::uint8_t, 3> kSpike{0, 114, 178};  // of the palette of Okabe and Ito

}  // namespace

formats::Image raster_picture(Span<const float> spikes, std::int64_t steps) {
  const auto size = static_cast<std::int64_t>(spikes.size());
  if (steps < 1 || size < steps || size % steps != 0) {
    throw ShapeError("spikes must be [steps, neurons], not " + std::to_string(size) + " values of " +
                     std::to_string(steps) + " steps");
  }
  const std::int64_t neurons = size / steps, shown_steps = std::min(steps, kMostSteps);
  const auto fired = [&](std::int64_t step, std::int64_t neuron) {
    return spikes[static_cast<std::size_t>(step * neurons + neuron)] != 0.0f;
  };
  std::vector<std::int64_t> active;
  for (std::int64_t neuron = 0; neuron < neurons; ++neuron) {
    std::int64_t step = 0;
    while (step < shown_steps && !fired(step, neuron)) ++step;
    if (step < shown_steps) active.push_back(neuron);
  }
  const std::int64_t rows = std::min(neurons, kMostRows);
  const auto count = static_cast<std::int64_t>(active.size());
  const std::int64_t shown = std::min(count, rows);

  const std::int64_t cell = std::clamp<std::int64_t>(kMostSteps / shown_steps, 1, kWidest);
  formats::Image image;
  image.width = static_cast<int>(shown_steps * cell);
  image.height = static_cast<int>(rows * kRowHeight);
  image.channels = 3;
  image.pixels.assign(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3,
                      255);
  // A pixel between neighbours, where there is room for it.
  const std::int64_t wide = cell > 3 ? cell - 1 : cell;
  for (std::int64_t row = 0; row < shown; ++row) {
    const std::int64_t neuron = active[static_cast<std::size_t>(row * count / shown)];
    for (std::int64_t step = 0; step < shown_steps; ++step) {
      if (!fired(step, neuron)) continue;
      for (std::int64_t y = row * kRowHeight; y < (row + 1) * kRowHeight - 1; ++y) {
        for (std::int64_t x = step * cell; x < step * cell + wide; ++x)
          std::copy(kSpike.begin(), kSpike.end(), image.pixels.begin() + 3 * (y * image.width + x));
      }
    }
  }
  return image;
}

}  // namespace spikeloom::pictures
