#include "spikeloom/events/transforms/jitter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/sensor.h"
#include "spikeloom/events/transforms/time.h"

namespace spikeloom::events {
namespace {

constexpr double kMaxStd = 1e12;

/// Stops at the ends of the range instead of wrapping round.
std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

}  // namespace

void jitter_time(EventStream& stream, double std_us, bool drop_negative, RandomStream& random) {
  if (!(std_us >= 0.0 && std_us <= kMaxStd)) {
    throw ConfigError(fmt::format("must be 0 to {} microseconds, is {}", kMaxStd, std_us), "", 0, "std_us");
  }
  std::size_t kept = 0;
  for (const Event& event : stream.events) {
    const auto jitter = static_cast<std::int64_t>(std::llround(std_us * random.normal()));
    const std::int64_t t_us = saturating_add(event.t_us, jitter);
    if (drop_negative && event.t_us >= 0 && t_us < 0) continue;
    stream.events[kept++] = {t_us, event.x, event.y, event.polarity};
  }
  stream.events.resize(kept);
  sort_by_time(stream);
}

void jitter_place(EventStream& stream, const JitterCovariance& covariance, RandomStream& random) {
  const double var_x = covariance.var_x;
  const double var_y = covariance.var_y;
  const double sigma_xy = covariance.sigma_xy;
  if (!(var_x >= 0.0 && var_y >= 0.0 && sigma_xy * sigma_xy <= var_x * var_y) ||
      !std::isfinite(var_x * var_y)) {
    throw ConfigError(
        fmt::format("var_x = {}, var_y = {}, sigma_xy = {} are not a covariance: the variances must not be "
                    "negative and sigma_xy^2 at most their product",
                    var_x, var_y, sigma_xy));
  }
  check_inside(stream);
  // Cholesky: (x, y) = (a * n1, b * n1 + c * n2) has this covariance.
  const double a = std::sqrt(var_x);
  const double b = a > 0.0 ? sigma_xy / a : 0.0;
  const double c = std::sqrt(std::max(0.0, var_y - b * b));
  std::size_t kept = 0;
  for (const Event& event : stream.events) {
    const double first = random.normal();
    const double second = random.normal();
    const double x = std::floor(event.x + a * first + 0.5);
    const double y = std::floor(event.y + b * first + c * second + 0.5);
    if (!(x >= 0 && x < stream.width && y >= 0 && y < stream.height)) continue;
    stream.events[kept++] = {event.t_us, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                             event.polarity};
  }
  stream.events.resize(kept);
}

}  // namespace spikeloom::events
