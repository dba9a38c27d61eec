#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "spikeloom/events/sensor.h"

namespace spikeloom::events {

/// One value a pixel, zero at first, with a border of one pixel around the sensor so that neighbours need no
/// test. The memory comes from calloc: pages of pixels that never see an event are never allocated.
template <class Value>
class PixelMap {
 public:
  /// Throws ShapeError as checked_pixels() does.
  explicit PixelMap(SensorSize sensor) : sensor_(sensor) {
    checked_pixels(sensor);
    row_ = static_cast<std::size_t>(sensor.width) + 2;
    const std::size_t size = row_ * (static_cast<std::size_t>(sensor.height) + 2);
    values_.reset(static_cast<Value*>(std::calloc(size, sizeof(Value))));
    if (values_ == nullptr) throw std::bad_alloc();
  }

  SensorSize sensor() const { return sensor_; }
  /// Values from one row to the next.
  std::size_t row() const { return row_; }
  bool holds(std::uint16_t x, std::uint16_t y) const { return x < sensor_.width && y < sensor_.height; }
  /// The pixel's value; at()[-1], [1], [-row()] and [row()] are its neighbours'. (x, y) must lie inside.
  Value* at(std::uint16_t x, std::uint16_t y) const {
    return values_.get() + (y + std::size_t{1}) * row_ + x + 1;
  }

 private:
  struct Free {
    void operator()(Value* values) const { std::free(values); }
  };
  SensorSize sensor_;
  std::size_t row_ = 0;
  std::unique_ptr<Value, Free> values_;
};

/// Throws ShapeError: an event that lies outside the sensor of a filter.
[[noreturn]] void refuse_outside(const Event& event, SensorSize sensor);

/// A time as a number that is never 0 (which in a map says "no event yet") and keeps differences. The one
/// time that would give 0, the smallest of 64 bits, is taken for the next.
inline std::uint64_t nonzero_time(std::int64_t t_us) {
  const std::uint64_t shifted = static_cast<std::uint64_t>(t_us) + (std::uint64_t{1} << 63);
  return shifted == 0 ? 1 : shifted;
}

}  // namespace spikeloom::events
