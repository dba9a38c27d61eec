#include "spikeloom/events/motion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "spikeloom/base/errors.h"

namespace spikeloom::events {

Displacement Motion::at(double t_us) const {
  if (knots.empty()) return {};
  const auto next = std::upper_bound(knots.begin(), knots.end(), t_us, [](double t, const MotionKnot& knot) {
    return t < static_cast<double>(knot.t_us);
  });
  if (next == knots.begin()) return knots.front().position;
  if (next == knots.end()) return knots.back().position;
  const MotionKnot& from = *(next - 1);
  const double share = (t_us - static_cast<double>(from.t_us)) / static_cast<double>(next->t_us - from.t_us);
  return {from.position.x + share * (next->position.x - from.position.x),
          from.position.y + share * (next->position.y - from.position.y)};
}

void check_motion(const Motion& motion) {
  for (std::size_t i = 0; i < motion.knots.size(); ++i) {
    const MotionKnot& knot = motion.knots[i];
    if (!std::isfinite(knot.position.x) || !std::isfinite(knot.position.y)) {
      throw ConfigError(fmt::format("knot {} is at ({}, {}): positions must be finite", i, knot.position.x,
                                    knot.position.y),
                        "", 0, "motion");
    }
    if (i > 0 && knot.t_us <= motion.knots[i - 1].t_us) {
      throw ConfigError(fmt::format("knot {} is at {} us, the one before it at {} us: times must ascend", i,
                                    knot.t_us, motion.knots[i - 1].t_us),
                        "", 0, "motion");
    }
  }
}

Motion three_saccades() {
  // Every 10 ms, from 0; pixels, relative to an image whose top left pixel lies on that of the sensor.
  static constexpr Displacement kMeasured[] = {
      {0.63, 1.28}, {0.45, 1.44}, {0.40, 1.76}, {0.28, 2.48}, {0.18, 3.70}, {0.40, 4.98}, {1.16, 5.92},
      {1.84, 6.42}, {2.12, 6.30}, {1.96, 6.42}, {2.17, 6.48}, {2.32, 6.28}, {2.43, 6.58}, {2.92, 6.00},
      {3.46, 5.15}, {4.41, 4.28}, {5.12, 3.04}, {5.09, 1.90}, {5.19, 1.60}, {5.36, 1.50}, {5.43, 1.48},
      {5.69, 1.48}, {5.74, 1.60}, {5.50, 1.36}, {4.59, 1.75}, {3.68, 1.52}, {2.60, 1.48}, {1.60, 1.38},
      {1.12, 1.27}, {0.80, 1.17}, {0.70, 1.27}};
  Motion motion;
  std::int64_t t_us = 0;
  for (const Displacement& position : kMeasured) {
    motion.knots.push_back({t_us, position});
    t_us += 10000;
  }
  return motion;
}

Motion closed_loop(int loops, double radius, std::int64_t loop_us) {
  if (loops < 1) throw ConfigError(fmt::format("must be at least 1, not {}", loops), "", 0, "loops");
  if (!(radius > 0) || !std::isfinite(radius)) {
    throw ConfigError(fmt::format("must be positive, not {}", radius), "", 0, "radius");
  }
  if (loop_us < 4) throw ConfigError(fmt::format("must be at least 4, not {}", loop_us), "", 0, "loop_us");
  const Displacement corners[] = {{0, 0}, {radius, radius}, {0, 2 * radius}, {-radius, radius}};
  Motion motion;
  for (std::int64_t i = 0; i <= std::int64_t{4} * loops; ++i) {
    motion.knots.push_back({loop_us * i / 4, corners[i % 4]});
  }
  return motion;
}

}  // namespace spikeloom::events
