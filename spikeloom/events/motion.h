#pragma once
// Where the image lies on the sensor while it, or the camera, is moved.
#include <cstdint>
#include <vector>

namespace spikeloom::events {

/// A displacement on the sensor, pixels: x to the right, y downward.
struct Displacement {
  double x = 0.0, y = 0.0;
};

/// A point of a path: the displacement at a time.
struct MotionKnot {
  std::int64_t t_us = 0;
  Displacement position;
};

/// A path through knots, in straight lines at constant speed from one to the next; still before the first and
/// behind the last. Knots are sorted by time, no two at the same time.
struct Motion {
  std::vector<MotionKnot> knots;

  /// Displacement at a time, microseconds. An empty path gives {0, 0}.
  Displacement at(double t_us) const;
};

/// Throws ConfigError unless the times of the knots ascend and every position is finite.
void check_motion(const Motion& motion);

/// The three saccades of N-MNIST, 300 ms: down 5.1 pixels and 1.3 to the right (0 to 90 ms, drifting on to
/// 120 ms), up 5 and 2.8 to the right (to 180 ms, drifting on to 220 ms), back to the left by 5.
/// That is how the image moves on the sensor; the camera moves the other way. Source: the isosceles triangle
/// and the three saccades of about 100 ms are those of Orchard et al. 2015; the knots were measured on
/// recordings 00001 to 00800 (docs/simulator.md says how).
Motion three_saccades();

/// Repeated closed-loop smooth movement: `loops` times around a square standing on its corner {0, 0}, where
/// it starts and ends; each side goes `radius` pixels along x and y: right-down, left-down, left-up,
/// right-up; a loop takes `loop_us`. Source: Li et al. 2017 (the movement in a closed loop of four straight
/// paths, repeated). Throws ConfigError unless all are positive and loop_us >= 4.
Motion closed_loop(int loops, double radius, std::int64_t loop_us);

}  // namespace spikeloom::events
