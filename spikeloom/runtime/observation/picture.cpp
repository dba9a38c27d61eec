#include "spikeloom/runtime/observation/picture.h"

#include <algorithm>
#include <cmath>

namespace spikeloom::runtime {

report::Picture picture_of(const data::SampleShape& shape, const float* sample) {
  constexpr std::int64_t kLargestSide = 64;
  const std::int64_t side = std::max(shape.height, shape.width);
  const std::int64_t factor = std::max<std::int64_t>(1, (side + kLargestSide - 1) / kLargestSide);
  report::Picture picture;
  picture.is_events = !shape.is_static;
  picture.height = std::max<std::int64_t>(1, shape.height / factor);
  picture.width = std::max<std::int64_t>(1, shape.width / factor);
  picture.channels = shape.channels;
  std::vector<double> sums(static_cast<std::size_t>(picture.height * picture.width * shape.channels));
  for (std::int64_t t = 0; t < shape.num_steps; ++t) {
    for (std::int64_t y = 0; y < std::min(shape.height, picture.height * factor); ++y) {
      for (std::int64_t x = 0; x < std::min(shape.width, picture.width * factor); ++x) {
        const float* const pixel = sample + ((t * shape.height + y) * shape.width + x) * shape.channels;
        const std::int64_t to = ((y / factor) * picture.width + x / factor) * shape.channels;
        for (std::int64_t c = 0; c < shape.channels; ++c) sums[static_cast<std::size_t>(to + c)] += pixel[c];
      }
    }
  }
  const auto [low, high] = std::minmax_element(sums.begin(), sums.end());
  const double from = picture.is_events ? 0.0 : *low, range = *high - from;
  picture.values.reserve(sums.size());
  for (const double sum : sums) {
    const double value = range > 0.0 ? (sum - from) / range * 255.0 : 0.0;
    picture.values.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))));
  }
  return picture;
}

}  // namespace spikeloom::runtime
