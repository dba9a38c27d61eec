#pragma once
#include <cstdint>

#include "spikeloom/events/event.h"

namespace spikeloom::events {

/// Columns and rows of a sensor, or of what a transform makes of it.
struct SensorSize {
  int width = 0, height = 0;
};
inline bool operator==(const SensorSize& a, const SensorSize& b) {
  return a.width == b.width && a.height == b.height;
}

/// Throws ShapeError naming the first event that lies outside the sensor or has a polarity above 1.
void check_inside(const EventStream& stream);

/// A map over all pixels is refused beyond this many: four times the largest sensor that coordinates of event
/// cameras have been printed for, and far below what a damaged header can ask for.
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;

/// Number of pixels. Throws ShapeError if a side is below 1 or there are more than kMaxPixels.
std::int64_t checked_pixels(SensorSize sensor);

}  // namespace spikeloom::events
