#include "spikeloom/events/transforms/move.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/sensor.h"

namespace spikeloom::events {
namespace {

/// In [0, size).
std::int64_t wrapped(std::int64_t value, std::int64_t size) {
  const std::int64_t rest = value % size;
  return rest < 0 ? rest + size : rest;
}

/// (x, y), measured from the middle of the sensor, becomes (xx * x + xy * y, yx * x + yy * y).
struct LinearMap {
  double xx, xy, yx, yy;
};

void move_linear(EventStream& stream, const LinearMap& map) {
  check_inside(stream);
  const double middle_x = 0.5 * (stream.width - 1);
  const double middle_y = 0.5 * (stream.height - 1);
  std::size_t kept = 0;
  for (const Event& event : stream.events) {
    const double x = event.x - middle_x;
    const double y = event.y - middle_y;
    // Half a pixel up, rounded down. A NaN or infinity, from a huge shear, is not inside.
    const double column = std::floor(map.xx * x + map.xy * y + middle_x + 0.5);
    const double row = std::floor(map.yx * x + map.yy * y + middle_y + 0.5);
    if (!(column >= 0 && column < stream.width && row >= 0 && row < stream.height)) continue;
    stream.events[kept++] = {event.t_us, static_cast<std::uint16_t>(column), static_cast<std::uint16_t>(row),
                             event.polarity};
  }
  stream.events.resize(kept);
}

}  // namespace

void roll(EventStream& stream, std::int64_t right, std::int64_t down) {
  check_inside(stream);
  if (stream.events.empty()) return;  // only then the sides may be 0
  const auto width = static_cast<std::uint32_t>(stream.width);
  const auto height = static_cast<std::uint32_t>(stream.height);
  const auto add_x = static_cast<std::uint32_t>(wrapped(right, stream.width));
  const auto add_y = static_cast<std::uint32_t>(wrapped(down, stream.height));
  for (Event& event : stream.events) {
    const std::uint32_t x = event.x + add_x;
    const std::uint32_t y = event.y + add_y;
    event.x = static_cast<std::uint16_t>(x >= width ? x - width : x);
    event.y = static_cast<std::uint16_t>(y >= height ? y - height : y);
  }
}

void shift(EventStream& stream, std::int64_t right, std::int64_t down) {
  check_inside(stream);
  constexpr std::int64_t kFar = std::int64_t{1} << 32;  // any shift as far as this empties the recording
  right = right < -kFar ? -kFar : right > kFar ? kFar : right;
  down = down < -kFar ? -kFar : down > kFar ? kFar : down;
  std::size_t kept = 0;
  for (const Event& event : stream.events) {
    const std::int64_t x = event.x + right;
    const std::int64_t y = event.y + down;
    const bool inside = x >= 0 && x < stream.width && y >= 0 && y < stream.height;
    stream.events[kept] = {event.t_us, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                           event.polarity};
    kept += inside ? 1 : 0;
  }
  stream.events.resize(kept);
}

void rotate(EventStream& stream, double degrees) {
  if (!std::isfinite(degrees)) {
    throw ConfigError(fmt::format("must be a finite angle, not {}", degrees), "", 0, "degrees");
  }
  constexpr double kRadians = 3.14159265358979323846 / 180.0;
  const double within = std::fmod(degrees, 360.0);
  double cosine = std::cos(within * kRadians);
  double sine = std::sin(within * kRadians);
  if (std::fmod(within, 90.0) == 0.0) {
    cosine = std::round(cosine);
    sine = std::round(sine);
  }
  move_linear(stream, {cosine, -sine, sine, cosine});
}

void shear(EventStream& stream, double shear_x, double shear_y) {
  for (const double value : {shear_x, shear_y}) {
    if (!std::isfinite(value))
      throw ConfigError(fmt::format("must be finite, not {}", value), "", 0, "shear");
  }
  move_linear(stream, {1.0, shear_x, shear_y, 1.0});
}

}  // namespace spikeloom::events
